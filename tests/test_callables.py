"""Anything callable, in real processes: each way to fail has its status."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from optuna_lfbo.callables import callable_objective
from optuna_lfbo.helion import KernelError, TrialFailedError
from optuna_lfbo.helion._reference import reference_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
    "kills its compiler": ("compile_error", "the compiler took its process down"),
    "runs for ever": ("benchmark_timeout", "the kernel had not finished after 3 s"),
    "segfaults": ("runtime_error", "the kernel took its process down"),
    "exits": ("runtime_error", "the kernel took its process down"),
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


def test_the_pipeline_survives_all_of_them_at_once() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = new_study(storage=storage, study_name="faults")
    plans = SPACE["plan"].choices
    for plan in plans:
        # The faulty ones are faster, for the results of clearly slower ones are not checked.
        study.enqueue_trial({"plan": plan, "delay_ms": 2 if plan == "sound" else 0})
    result = faulty().tune(storage=storage, study_name="faults", n_trials=len(plans))
    # The seed comes after them, and takes the place of the rejected one, which is not counted.
    for plan, trial in zip(plans, result.study.trials, strict=False):
        status, error = EXPECTED[plan]
        assert trial.user_attrs["status"] == status
        assert error in trial.user_attrs.get("error", "")
    assert result.config == {"plan": "sound", "delay_ms": 2}
    assert result.latency_ms < result.default_latency_ms
    assert all(trial.state.is_finished() for trial in result.study.trials)


def test_the_default_sampler_proposes_nothing_that_is_excluded() -> None:
    objective = callable_objective(
        lambda params: functools.partial(torch.add, alpha=params["a"]),
        (torch.ones(4), torch.ones(4)),
        {"a": IntDistribution(0, 9), "b": IntDistribution(0, 9)},
        constraint=lambda params: params["a"] >= 8 and params["b"] >= 5,
        seeds=[{"a": 8, "b": 5}],
    )
    storage = optuna.storages.InMemoryStorage()
    # Until one trial has finished, the sampler knows no space.
    objective.tune(storage=storage, n_trials=1)
    result = objective.tune(storage=storage, n_trials=7)
    assert [trial.user_attrs["status"] for trial in result.study.trials] == ["ok"] * 8


def test_a_callable_that_cannot_be_pickled_is_made_again_where_it_is_measured(
    tmp_path: Path,
) -> None:
    log = tmp_path / "processes"

    def compile_fn(params: dict[str, Any]) -> Callable[[torch.Tensor], torch.Tensor]:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        lock = threading.Lock()

        def scaled(x: torch.Tensor) -> torch.Tensor:
            with lock:
                return params["factor"] * x

        return scaled

    space = {"factor": FloatDistribution(1.0, 3.0)}
    objective = callable_objective(
        compile_fn, (torch.ones(4),), space, reference=lambda x: 2.0 * x
    )
    study = new_study()
    study.enqueue_trial({"factor": 2.0})
    study.enqueue_trial({"factor": 3.0})
    with objective:
        study.optimize(objective, n_trials=2, catch=objective.failures)
    assert [t.user_attrs["status"] for t in study.trials] == ["ok", "wrong_result"]
    pids = log.read_text().split()
    assert len(pids) == 4
    assert len(set(pids)) == 2
    assert str(os.getpid()) not in pids


def test_results_may_be_written_into_arguments() -> None:
    def compile_fn(params: dict[str, Any]) -> Callable[..., torch.Tensor]:
        return functools.partial(accumulate, params["factor"])

    args = {"sums": torch.zeros(3), "x": torch.arange(3.0)}
    objective = callable_objective(
        compile_fn, (args,), {"factor": IntDistribution(1, 2)}, reference=double_into
    )
    study = new_study()
    for factor in (1, 2):
        study.enqueue_trial({"factor": factor})
    with objective:
        study.optimize(objective, n_trials=2, catch=objective.failures)
    assert [t.user_attrs["status"] for t in study.trials] == ["wrong_result", "ok"]
    assert not args["sums"].any()


def accumulate(factor: int, args: dict[str, torch.Tensor]) -> torch.Tensor:
    return args["sums"].add_(factor * args["x"])


def double_into(args: dict[str, torch.Tensor]) -> None:
    args["sums"] += 2 * args["x"]


@pytest.mark.parametrize(
    ("results", "atol", "is_right"),
    [
        ((torch.tensor([100, 200]), torch.tensor([100, 201])), None, False),
        ((torch.tensor([100, 200]), torch.tensor([100, 201])), 1.0, True),
        ((torch.tensor([100.0, 200.0]), torch.tensor([100.0, 201.0])), None, True),
        ((torch.tensor([100.0, 200.0]), torch.tensor([100.0, 201.0])), 0.5, False),
        ((torch.tensor([True]), torch.tensor([False])), None, False),
        ((torch.tensor([1.0]), torch.tensor([float("nan")])), None, False),
    ],
)
def test_integers_are_compared_exactly_unless_told_otherwise(
    results: tuple[torch.Tensor, torch.Tensor], atol: float | None, is_right: bool
) -> None:
    expected, actual = results
    reference = reference_of(
        (), lambda: expected, returns=True, atol=atol, rtol=0.0 if atol else 1e-2
    )
    assert reference.check is not None
    if is_right:
        reference.check(actual, reference.output)
    else:
        with pytest.raises(AssertionError):
            reference.check(actual, reference.output)


def test_what_compile_fn_returns_is_called() -> None:
    objective = callable_objective(lambda params: 3, (), {"a": IntDistribution(0, 1)})  # type: ignore[arg-type, return-value]
    study = new_study()
    with objective, pytest.raises(TrialFailedError, match=r"^compile_error: TypeError: .* 3$"):
        study.optimize(objective, n_trials=1)


def test_studies_are_told_apart_by_the_source_of_compile_fn() -> None:
    def first(params: dict[str, Any]) -> Callable[..., object]:
        return print

    def second(params: dict[str, Any]) -> Callable[..., object]:
        return repr

    space = {"a": IntDistribution(0, 1)}
    study = new_study()
    callable_objective(first, (3,), space).enqueue_seeds(study)
    callable_objective(functools.partial(first), (3,), space).enqueue_seeds(study)
    for compile_fn, args, attribute in ((second, (3,), "kernel"), (first, (4,), "args")):
        with pytest.raises(ValueError, match=f"was made with another {attribute}"):
            callable_objective(compile_fn, args, space).enqueue_seeds(study)


def test_bad_arguments_are_named() -> None:
    space = {"a": IntDistribution(0, 1)}
    with pytest.raises(TypeError, match="compile_fn must be a function of a parameter dict"):
        callable_objective(3, (), space)  # type: ignore[arg-type]
    with pytest.raises(KernelError, match="has no Python source"):
        callable_objective(dict, (), space)
    lock = threading.Lock()
    with pytest.raises(KernelError, match=r"cannot be sent to the processes .*lock"):
        callable_objective(lambda params: lock.acquire, (), space)
    with pytest.raises(ValueError, match=r"a=2 is not in IntDistribution"):
        callable_objective(compile_fn, (), space, seeds=[{"a": 2}])


class Unreadable:
    """What no other process can make out of what this one has written."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.stat, ("/nowhere",)


def test_what_the_measuring_process_cannot_read_ends_the_tuning() -> None:
    space = {"a": IntDistribution(0, 1)}
    objective = callable_objective(lambda params: print, (), space, reference=Unreadable)
    with pytest.raises(KernelError, match=r"cannot be sent to the processes .*FileNotFoundError"):
        objective.tune(n_trials=2)
    with objective, pytest.raises(KernelError, match="FileNotFoundError"):
        new_study().optimize(objective, n_trials=1, catch=objective.failures)


def test_tune_is_not_called_while_the_objective_is_in_use() -> None:
    with faulty() as objective, pytest.raises(RuntimeError, match="outside the `with` block"):
        objective.tune()
