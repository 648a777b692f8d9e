"""Runs of Optuna's samplers, ours among them."""

from __future__ import annotations

import math
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING

import optuna
from optuna.trial import TrialState

from benchmarks.tasks import BudgetExhaustedError
from benchmarks.tasks.kernels import KernelTask
from optuna_lfbo import LFBOSampler

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from benchmarks.spec import Spec
    from benchmarks.tasks import Evaluator, Params, Task

CLASSES = {
    "random": "optuna.samplers:RandomSampler",
    "tpe": "optuna.samplers:TPESampler",
    "gp": "optuna.samplers:GPSampler",
    "cmaes": "optuna.samplers:CmaEsSampler",
    "lfbo": "optuna_lfbo:LFBOSampler",
}


def make_sampler(spec: Spec, seed: int) -> BaseSampler:
    """Imports the sampler's class only now, so that one that is missing hurts no other.

    Arguments of ``lfbo`` that its constructor does not have are its internal settings.
    """
    module, _, name = CLASSES[spec.family].partition(":")
    make: type[BaseSampler] = getattr(import_module(module), name)
    public = signature(make).parameters
    sampler = make(seed=seed, **{k: v for k, v in spec.kwargs.items() if k in public})  # type: ignore[call-arg]
    internal = {k: v for k, v in spec.kwargs.items() if k not in public}
    if isinstance(sampler, LFBOSampler):
        sampler._settings = replace(sampler._settings, **internal)
    elif internal:
        raise ValueError(f"{name} has no arguments {sorted(internal)}, but {sorted(public)}")
    return sampler


class OptunaRun:
    """Asks a sampler for trials and tells it their values until the budget is spent.

    Args:
        sampler: the sampler.
        penalty: tell a failed trial the worst finite value seen so far instead of FAIL. Before
            any trial has succeeded there is none, and it is told FAIL.
        batch: how many trials are asked for before the first of them is told.
    """

    def __init__(self, sampler: BaseSampler, *, penalty: bool = False, batch: int = 1) -> None:
        self.study = optuna.create_study(sampler=sampler)
        self.penalty = penalty
        self.batch = batch
        self.ask_s = 0.0
        self.tell_s = 0.0
        self._worst = math.nan

    def run(self, evaluate: Evaluator) -> None:
        """Spends the whole budget of the evaluator."""
        while not evaluate.exhausted:
            asked = [self._ask(evaluate.task) for _ in range(self.batch)]
            for trial, params in asked:
                self._tell(trial, evaluate(params))

    def _ask(self, task: Task) -> tuple[optuna.Trial, Params]:
        start = time.perf_counter()
        trial = self.study.ask()
        params = task.suggest(trial)
        self.ask_s += time.perf_counter() - start
        return trial, params

    def _tell(self, trial: optuna.Trial, value: float) -> None:
        if math.isfinite(value):
            self._worst = value if math.isnan(self._worst) else max(value, self._worst)
        elif self.penalty:
            value = self._worst
        start = time.perf_counter()
        if math.isnan(value):
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, value)
        self.tell_s += time.perf_counter() - start


def run(
    spec: Spec, evaluate: Evaluator, seed: int, *, penalty: bool = False, batch: int = 1
) -> dict[str, float]:
    """Runs one sampler on one task and returns the seconds it took to ask and to tell."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    if isinstance(evaluate.task, KernelTask) and evaluate.task.name.startswith("known/"):
        spec = replace(spec, kwargs={**spec.kwargs, "constraint": evaluate.task.is_valid})
    runner = OptunaRun(make_sampler(spec, seed), penalty=penalty, batch=batch)
    with suppress(BudgetExhaustedError):
        runner.run(evaluate)
    return {"ask_s": round(runner.ask_s, 4), "tell_s": round(runner.tell_s, 4)}
