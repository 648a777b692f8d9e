"""Configurations that fail for real, in real processes; the study goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
import pytest
from optuna.trial import TrialState

from optuna_lfbo.helion import helion_objective, tune
from tests.kernels import faulty
from tests.kernels.suite import pallas, softmax, tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna_lfbo.helion import HelionObjective

SHAPE = (16, 128)
EXPECTED = {
    "none": ("ok", None),
    "wrong": ("wrong_result", "off by one"),
    "raises": ("runtime_error", "RuntimeError: the device [31mcaught [0m fire"),
    "loses_device": ("runtime_error", "illegal memory access"),
    "crashes": ("runtime_error", "the kernel took its process down"),
    "hangs": ("benchmark_timeout", "the kernel had not finished after 12 s"),
}


@pytest.fixture
def objective() -> Iterator[HelionObjective]:
    kernel = faulty.kernel(autotune_benchmark_timeout=12)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        yield objective


@pytest.mark.parametrize("fault", faulty.FAULTS)
def test_each_fault_has_its_status_and_the_next_trial_works(
    objective: HelionObjective, fault: str
) -> None:
    study = optuna.create_study()
    # A block of everything: the backend takes four times as long for a call with two of them.
    config = {**objective.space.default.config, "block_sizes": [SHAPE[0]]}
    for number in (faulty.FAULTS.index(fault), 0):
        study.enqueue_trial(objective.space.params({**config, "fault": number}))
    study.optimize(objective, n_trials=2, catch=objective.failures)

    faulted, sound = study.trials
    status, error = EXPECTED[fault]
    assert faulted.user_attrs["status"] == status
    assert faulted.state == (TrialState.COMPLETE if fault == "none" else TrialState.FAIL)
    assert (error or "") in faulted.user_attrs.get("error", "")
    assert sound.state == TrialState.COMPLETE


def test_a_compiler_that_takes_too_long_is_a_compile_timeout() -> None:
    kernel = pallas(softmax, autotune_compile_timeout=0)
    with helion_objective(kernel, tensors(SHAPE)) as objective:
        study = optuna.create_study()
        study.enqueue_trial(objective.space.params({}))
        study.optimize(objective, n_trials=1, catch=objective.failures)
    assert study.trials[0].user_attrs["status"] == "compile_timeout"
    assert "had not finished after 0 s" in study.trials[0].user_attrs["error"]


def test_the_pipeline_survives_all_of_them_at_once() -> None:
    kernel = faulty.kernel(autotune_benchmark_timeout=12)
    result = tune(kernel, tensors((2, 128)), sampler=optuna.samplers.RandomSampler(seed=0))
    for trial in result.study.trials:
        fault = faulty.FAULTS[trial.user_attrs["config"]["fault"]]
        # What is clearly slow is not checked, and it is the check that fails here.
        alike = {EXPECTED[fault][0], "duplicate", *(["ok"] * ("first_look" in trial.user_attrs))}
        assert trial.user_attrs["status"] in alike
    tried = {trial.user_attrs["config"]["fault"] for trial in result.study.trials}
    assert tried == set(range(len(faulty.FAULTS)))
    assert not result.study.get_trials(states=(TrialState.RUNNING,))
    assert result.config["fault"] == 0
    assert result.stop_reason == "nothing new to try"
