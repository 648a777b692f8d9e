"""Continuous test functions, and one space whose parameters depend on one another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution

from benchmarks.tasks.base import FlatTask, Params, Reference, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution

    Array = NDArray[np.float64]

N_REFERENCE = 2_000
"""Random points from which a task without a table gets its median and worst value."""


def _branin(x: Array) -> float:
    a, b = x
    bow = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    return float(bow**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10)


_HARTMANN_HEIGHT = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN_SCALE = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_HARTMANN_CENTRE = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def _hartmann(x: Array) -> float:
    exponent = (_HARTMANN_SCALE * (x - _HARTMANN_CENTRE) ** 2).sum(axis=1)
    return float(-_HARTMANN_HEIGHT @ np.exp(-exponent))


def _ackley(x: Array) -> float:
    radius = math.sqrt(float(np.mean(x**2)))
    waves = float(np.mean(np.cos(2 * np.pi * x)))
    return -20 * math.exp(-0.2 * radius) - math.exp(waves) + 20 + math.e


def _rosenbrock(x: Array) -> float:
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


@dataclass(frozen=True)
class Function:
    """A test function, its bounds and its minimum.

    As in Surjanovic and Bingham's virtual library of simulation experiments.
    """

    call: Callable[[Array], float]
    bounds: tuple[tuple[float, float], ...]
    minimum: float


FUNCTIONS = {
    "branin": Function(_branin, ((-5, 10), (0, 15)), 0.397887),
    "hartmann6": Function(_hartmann, ((0, 1),) * 6, -3.32237),
    # Off centre: a sampler that starts in the middle must not start at the minimum.
    "ackley10": Function(_ackley, ((-10, 20),) * 10, 0.0),
    "rosenbrock10": Function(_rosenbrock, ((-5, 10),) * 10, 0.0),
}


class FunctionTask(FlatTask):
    """One of :data:`FUNCTIONS`.

    Raises:
        KeyError: there is no such function.
    """

    def __init__(self, name: str) -> None:
        self.function = FUNCTIONS[name]
        low, high = np.array(self.function.bounds).T
        uniform = np.random.default_rng(0).uniform(low, high, size=(N_REFERENCE, len(low)))
        reference = _reference(self.function.minimum, [self.function.call(x) for x in uniform])
        distributions: dict[str, BaseDistribution] = {
            f"x{i}": FloatDistribution(low, high)
            for i, (low, high) in enumerate(self.function.bounds)
        }
        super().__init__(f"continuous/{name}", distributions, reference)

    def evaluate(self, params: Mapping[str, Any]) -> float:
        return self.function.call(np.array([params[name] for name in self.distributions]))


def _reference(minimum: float, random_values: list[float]) -> Reference:
    return Reference(minimum, float(np.median(random_values)), max(random_values))


class ConditionalTask(Task):
    """A made-up choice between three models, each with parameters of its own.

    The network, the best of them at 0, has as many widths as it has layers. Every term is the
    square of a distance from an optimum on the parameter's natural scale.
    """

    name = "conditional/models"

    def suggest(self, trial: optuna.Trial) -> Params:
        params: Params = {"model": trial.suggest_categorical("model", MODELS)}
        match params["model"]:
            case "linear":
                params["penalty"] = trial.suggest_float("penalty", 1e-6, 1e3, log=True)
                params["norm"] = trial.suggest_categorical("norm", ["l1", "l2"])
            case "forest":
                params["depth"] = trial.suggest_int("depth", 1, 32)
                params["features"] = trial.suggest_float("features", 0.05, 1.0)
            case "network":
                params["rate"] = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
                params["layers"] = trial.suggest_int("layers", 1, 4)
                for i in range(params["layers"]):
                    params[f"width{i}"] = trial.suggest_int(f"width{i}", 8, 1024, log=True)
        return params

    def evaluate(self, params: Mapping[str, Any]) -> float:
        match params["model"]:
            case "linear":
                misfit = [(math.log10(params["penalty"]) / 6) ** 2]
                offset = 0.3 if params["norm"] == "l1" else 0.2
            case "forest":
                misfit = [((params["depth"] - 12) / 20) ** 2, (params["features"] - 0.4) ** 2]
                offset = 0.05
            case _:
                widths = [math.log2(params[f"width{i}"]) for i in range(params["layers"])]
                misfit = [
                    ((width - 8 + i) / 4) ** 2 / len(widths) for i, width in enumerate(widths)
                ]
                misfit.append(((math.log10(params["rate"]) + 3) / 2) ** 2)
                offset = (params["layers"] - 3) ** 2 / 8
        return float(offset + sum(misfit))

    @cached_property
    def reference(self) -> Reference:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        values = [self.evaluate(self.suggest(study.ask())) for _ in range(N_REFERENCE)]
        return _reference(0.0, values)


MODELS = ("linear", "forest", "network")
