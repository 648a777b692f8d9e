"""Anything callable, in real processes: each way to fail has its status."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import optuna
import torch
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from optuna_lfbo.callables import callable_objective
from optuna_lfbo.helion import KernelError, TrialFailedError, tune  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna_lfbo.callables import CallableObjective

SPACE = {
    "plan": CategoricalDistribution(
        [
            "sound",
            "does not compile",
            "compiles for ever",
            "kills its compiler",
            "runs for ever",
            "segfaults",
            "exits",
            "raises",
            "is wrong",
            "is excluded",
        ]
    ),
    "delay_ms": IntDistribution(0, 4, step=2),
}
EXPECTED = {
    "sound": ("ok", ""),
    "does not compile": ("compile_error", "SyntaxError: no such instruction"),
    "compiles for ever": ("compile_timeout", "the compiler had not finished after 3 s"),
    "kills its compiler": ("compile_error", "process"),
    "runs for ever": ("benchmark_timeout", "the kernel had not finished after 3 s"),
    "segfaults": ("runtime_error", ""),
    "exits": ("runtime_error", ""),
    "raises": ("runtime_error", "ZeroDivisionError: float division by zero"),
    "is wrong": ("wrong_result", "Tensor-likes are not close!"),
    "is excluded": ("rejected", "the constraint excludes these parameters"),
}


def compile_fn(params: dict[str, Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    plan = params["plan"]
    if plan == "does not compile":
        raise SyntaxError("no such instruction")
    if plan == "compiles for ever":
        time.sleep(3600)
    if plan == "kills its compiler":
        os.kill(os.getpid(), signal.SIGKILL)
    return functools.partial(run, plan, params["delay_ms"])


def run(plan: str, delay_ms: int, x: torch.Tensor) -> torch.Tensor:
    time.sleep(delay_ms / 1000)
    if plan == "runs for ever":
        time.sleep(3600)
    if plan == "segfaults":
        ctypes.string_at(0)
    if plan == "exits":
        os._exit(0)
    if plan == "raises":
        return x / (1.0 / 0.0)
    return x + (3 if plan == "is wrong" else 1)


def add_one(x: torch.Tensor) -> torch.Tensor:
    return x + 1


def faulty() -> CallableObjective:
    return callable_objective(
        compile_fn,
        (torch.zeros(8),),
        SPACE,
        reference=add_one,
        constraint=lambda params: params["plan"] != "is excluded",
        seeds=[{"plan": "sound", "delay_ms": 4}],
        compile_timeout=3.0,
        benchmark_timeout=3.0,
    )


def new_study(**kwargs: Any) -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), **kwargs)


def test_each_fault_has_its_status_and_the_study_goes_on() -> None:
    study = new_study()
    plans = SPACE["plan"].choices
    with faulty() as objective:
        for plan in plans:
            study.enqueue_trial({"plan": plan, "delay_ms": 0})
        objective.enqueue_seeds(study)
        study.optimize(objective, n_trials=len(plans) + 1, catch=objective.failures)
        best = objective.best_config(study)
    for plan, trial in zip(plans, study.trials, strict=False):
        status, error = EXPECTED[plan]
        assert trial.user_attrs["status"] == status
        assert error in trial.user_attrs.get("error", "")
        assert trial.state == (TrialState.COMPLETE if plan == "sound" else TrialState.FAIL)
    assert best == {"plan": "sound", "delay_ms": 0}
    assert study.trials[-1].value == study.user_attrs["default_latency_ms"] >= 4.0
