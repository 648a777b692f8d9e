"""Studies to plot: of every kind there is, as a kernel's tuning or a user leaves them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2030, 1, 1, 12, 0, 0)
BLOCK = IntDistribution(0, 5)
WARPS = CategoricalDistribution([1, 2, 4, 8])
LAYOUT = CategoricalDistribution(["row", "column"])
RATE = FloatDistribution(1e-4, 1.0, log=True)


def timed(trial: FrozenTrial, begin_s: float, seconds: float) -> FrozenTrial:
    trial.datetime_start = START + timedelta(seconds=begin_s)
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=seconds)
    return trial


def kernel_trial(number: int, rng: np.random.Generator) -> FrozenTrial:
    """Large blocks with 8 warps do not compile; the best is block 3 with 4 warps."""
    block, warps = int(rng.integers(6)), int(rng.choice([1, 2, 4, 8]))
    layout = str(rng.choice(["row", "column"]))
    fails = block >= 4 and warps == 8
    attributes: dict[str, Any] = {
        "status": "compile_error" if fails else "ok",
        "config": {"block_sizes": [2**block], "num_warps": warps},
        "compile_s": 0.5,
        "measure_s": 0.0 if fails else 0.25,
        "ask_s": 0.01,
        "worker": "host:1",
    }
    if fails:
        attributes["error"] = "out of registers"
    trial = create_trial(
        state=TrialState.FAIL if fails else TrialState.COMPLETE,
        value=None if fails else 0.1 * (1 + abs(block - 3) + abs(np.log2(warps) - 2)),
        params={"log2_block_sizes[0]": block, "num_warps": warps, "layout": layout},
        distributions={"log2_block_sizes[0]": BLOCK, "num_warps": WARPS, "layout": LAYOUT},
        user_attrs=attributes,
    )
    return timed(trial, float(number), 1.5)


def kernel_study(n_trials: int) -> optuna.Study:
    study = optuna.create_study(study_name=f"kernel-{n_trials}")
    study.set_metric_names(["latency_ms"])
    for name, value in {
        "language": "helion",
        "kernel": "matmul",
        "default_latency_ms": 0.6,
    }.items():
        study.set_user_attr(name, value)
    rng = np.random.default_rng(0)
    study.add_trials([kernel_trial(number, rng) for number in range(n_trials)])
    return study


def only_failures() -> optuna.Study:
    study = optuna.create_study()
    for number in range(8):
        trial = create_trial(state=TrialState.FAIL, params={"x": 0.5}, distributions={"x": RATE})
        study.add_trial(timed(trial, number, 1.0))
    return study


def conditional() -> optuna.Study:
    """Either branch has a parameter that the other one lacks, and pruned trials."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("solver", ["sgd", "exact"]) == "exact":
            return float(trial.suggest_int("depth", 1, 64, log=True))
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        if rate > 0.5:
            raise optuna.TrialPruned
        return rate

    study.optimize(objective, n_trials=60)
    return study


def maximised() -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.set_metric_names(["accuracy"])
    study.optimize(
        lambda trial: 1.0 - (trial.suggest_float("x", -1, 1) ** 2) + trial.suggest_int("n", 0, 9),
        n_trials=30,
    )
    return study


KINDS: dict[str, Callable[[], optuna.Study]] = {
    "empty": optuna.create_study,
    "one trial": lambda: kernel_study(1),
    "only failures": only_failures,
    "a thousand trials": lambda: kernel_study(1000),
    "conditional": conditional,
    "maximised": maximised,
}
