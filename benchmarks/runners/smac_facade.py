"""Runs of SMAC3."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ConfigSpace import (
    CategoricalHyperparameter,
    ConfigurationSpace,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory import StatusType, TrialInfo, TrialValue

from benchmarks.tasks import FlatTask

if TYPE_CHECKING:
    from ConfigSpace.hyperparameters import Hyperparameter
    from optuna.distributions import BaseDistribution

    from benchmarks.spec import Spec
    from benchmarks.tasks import Evaluator

MAX_LEAF_NODES = 4096
"""More than a tree can have for a few hundred points."""


def hyperparameter(name: str, distribution: BaseDistribution) -> Hyperparameter[Any, Any]:
    """SMAC's counterpart of a distribution.

    Categories and steps are counted from 0; :func:`decode` undoes it.

    Raises:
        TypeError: the distribution is none of Optuna's three.
    """
    match distribution:
        case CategoricalDistribution(choices=choices):
            return CategoricalHyperparameter(name, list(range(len(choices))))
        case IntDistribution(low=low, high=high, step=1, log=log):
            return UniformIntegerHyperparameter(name, low, high, log=log)
        case FloatDistribution(low=low, high=high, step=None, log=log):
            return UniformFloatHyperparameter(name, low, high, log=log)
        case (
            IntDistribution(low=low, high=high, step=step)
            | FloatDistribution(low=low, high=high, step=float(step))
        ):
            return UniformIntegerHyperparameter(name, 0, round((high - low) / step))
    raise TypeError(f"distribution is {distribution!r}, but must be one of Optuna's three")


def decode(value: Any, distribution: BaseDistribution) -> Any:
    """The parameter that a value of SMAC's stands for, as a plain Python object."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices[int(value)]
        case IntDistribution(step=1):
            return int(value)
        case FloatDistribution(step=None):
            return float(value)
        case IntDistribution(low=low, step=step) | FloatDistribution(low=low, step=float(step)):
            return low + step * int(value)
    raise TypeError(f"distribution is {distribution!r}, but must be one of Optuna's three")


class SMACRun:
    """Asks a facade for points and tells it their values.

    A failure is told as crashed with the worst finite value seen so far, which the facade's
    surrogate learns from. Failures before any success wait for the first.
    """

    def __init__(self, facade: HyperparameterOptimizationFacade, task: FlatTask) -> None:
        self.facade = facade
        self.distributions = task.distributions
        self.ask_s = 0.0
        self.tell_s = 0.0
        self._worst = math.nan
        self._waiting: list[TrialInfo] = []

    def run(self, evaluate: Evaluator) -> None:
        """Spends the whole budget of the evaluator."""
        while not evaluate.exhausted:
            start = time.perf_counter()
            info = self.facade.ask()
            self.ask_s += time.perf_counter() - start
            value = evaluate(
                {name: decode(info.config[name], d) for name, d in self.distributions.items()}
            )
            start = time.perf_counter()
            self._tell(info, value)
            self.tell_s += time.perf_counter() - start

    def _tell(self, info: TrialInfo, value: float) -> None:
        if math.isnan(value):
            self._waiting.append(info)
        else:
            self._worst = value if math.isnan(self._worst) else max(value, self._worst)
            self.facade.tell(info, TrialValue(cost=value), save=False)
        if math.isfinite(self._worst):
            for failed in self._waiting:
                crashed = TrialValue(cost=self._worst, status=StatusType.CRASHED)
                self.facade.tell(failed, crashed, save=False)
            self._waiting.clear()


def run(spec: Spec, evaluate: Evaluator, seed: int) -> dict[str, float]:
    """Runs SMAC's facade for hyperparameter optimization: a random forest, and Sobol first.

    The forest's default room for a million leaves a tree takes half of the time to allocate.
    """
    task = evaluate.task
    assert isinstance(task, FlatTask)
    space = ConfigurationSpace(seed=seed)
    space.add([hyperparameter(name, d) for name, d in task.distributions.items()])
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            space,
            output_directory=Path(folder),
            deterministic=True,
            n_trials=evaluate.CALLS_PER_TRIAL * evaluate.n_trials,
            seed=seed,
        )
        design = HyperparameterOptimizationFacade.get_initial_design(
            scenario, max_ratio=0.25 / evaluate.CALLS_PER_TRIAL
        )
        model = HyperparameterOptimizationFacade.get_model(scenario)
        model._rf_opts["max_leaf_nodes"] = MAX_LEAF_NODES
        runner = SMACRun(
            HyperparameterOptimizationFacade(
                scenario,
                lambda config, seed: 0.0,
                initial_design=design,
                model=model,
                logging_level=False,
                **spec.kwargs,
            ),
            task,
        )
        runner.run(evaluate)
    return {"ask_s": round(runner.ask_s, 4), "tell_s": round(runner.tell_s, 4)}
