"""One study for several shapes of a kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_lfbo.helion import KernelError, helion_multi_objective, helion_objective
from tests.kernels import faulty
from tests.kernels.suite import pallas, softmax, tensors

if TYPE_CHECKING:
    import helion

ARG_SETS = [tensors((16, 128)), tensors((32, 256))]


def picky() -> helion.Kernel:
    """A kernel that is wrong for 32 rows unless its tunable is 0."""

    def check(actual: torch.Tensor, expected: torch.Tensor) -> None:
        if actual.size(0) == 32 and not torch.equal(actual, expected):
            raise AssertionError("off by one")

    settings = {"autotune_baseline_accuracy_check_fn": check}
    return pallas(faulty.faulty, autotune_baseline_fn=lambda x: x, **settings)


def geometric_mean_of_ratios(trial: optuna.trial.FrozenTrial, study: optuna.Study) -> float:
    latencies, defaults = (
        trial.user_attrs["latencies_ms"],
        study.user_attrs["default_latencies_ms"],
    )
    ratios = [latency / default for latency, default in zip(latencies, defaults, strict=True)]
    return math.prod(ratios) ** (1 / len(ratios))


def test_the_value_is_the_geometric_mean_of_latency_over_default_latency() -> None:
    with helion_multi_objective(pallas(softmax), ARG_SETS) as objective:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        objective.enqueue_seeds(study)
        study.enqueue_trial({"log2_block_sizes[0]": 3})
        study.enqueue_trial({"log2_block_sizes[0]": 3})
        n_trials = len(study.trials)
        study.optimize(objective, n_trials=n_trials, catch=objective.failures)
        best = objective.best_config(study)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert study.trials[-1].user_attrs["status"] == "duplicate"
    for trial in study.trials[:-1]:
        assert trial.user_attrs["status"] == "ok"
        assert len(trial.user_attrs["latencies_ms"]) == 2
        assert trial.value == pytest.approx(geometric_mean_of_ratios(trial, study))
    assert study.metric_names == ["latency_over_default"]
    assert [args[0]["shape"] for args in study.user_attrs["args"]] == [[16, 128], [32, 256]]
    assert objective.study_name.startswith("softmax-16x128-32x256-cpu-")
    for (x,) in ARG_SETS:
        torch.testing.assert_close(pallas(softmax, config=best)(x), torch.softmax(x, dim=1))


def test_a_failure_with_one_shape_fails_the_trial_and_names_the_shape() -> None:
    with helion_multi_objective(picky(), ARG_SETS) as objective:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for fault in (1, 0):
            config = {**objective.space.default.config, "fault": fault}
            study.enqueue_trial(objective.space.params(config))
        study.optimize(objective, n_trials=2, catch=objective.failures)
    wrong, right = study.trials
    assert wrong.state == TrialState.FAIL
    assert wrong.user_attrs["status"] == "wrong_result"
    assert wrong.user_attrs["error"] == "with arg_sets[1] (32x256): off by one"
    assert right.state == TrialState.COMPLETE


def test_tune_finds_a_config_that_works_with_all_shapes() -> None:
    objective = helion_multi_objective(picky(), ARG_SETS)
    result = objective.tune(sampler=optuna.samplers.RandomSampler(seed=0), n_trials=8)
    statuses = {trial.user_attrs["status"] for trial in result.study.trials}
    assert statuses <= {"ok", "wrong_result", "duplicate"}
    assert result.config["fault"] == 0
    assert result.default_latency_ms is not None
    assert 0.0 < result.latency_ms < math.inf


def test_a_study_of_one_shape_is_another_one() -> None:
    objective = helion_objective(pallas(softmax), ARG_SETS[0])
    study = optuna.create_study()
    objective.enqueue_seeds(study)
    both = helion_multi_objective(pallas(softmax), ARG_SETS)
    with pytest.raises(ValueError, match="was made with another args"):
        both.enqueue_seeds(study)


def test_a_default_that_fails_with_one_shape_is_refused() -> None:
    def check(actual: torch.Tensor, expected: torch.Tensor) -> None:
        if actual.size(0) == 32:
            raise AssertionError("never right")

    kernel = pallas(softmax, autotune_baseline_accuracy_check_fn=check)
    objective = helion_multi_objective(kernel, ARG_SETS)
    message = r"default .* does not work with arg_sets\[1\] .* wrong_result: never right"
    with pytest.raises(KernelError, match=message), objective:
        pass


def test_arg_sets_are_checked() -> None:
    with pytest.raises(TypeError, match="arg_sets must be a list with a tuple of arguments"):
        helion_multi_objective(pallas(softmax), ARG_SETS[0][0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="arg_sets is empty"):
        helion_multi_objective(pallas(softmax), [])
    with pytest.raises(TypeError, match="must be a tuple or list of the arguments of 'softmax'"):
        helion_multi_objective(pallas(softmax), list(ARG_SETS[0]))  # type: ignore[arg-type]
