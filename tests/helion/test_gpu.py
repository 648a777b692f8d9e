"""What only a CUDA device shows: Helion's compiler processes and its isolated worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_lfbo.helion import helion_objective
from tests.kernels.suite import matmul, softmax, triton

if TYPE_CHECKING:
    from optuna_lfbo.helion import HelionObjective

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def cuda(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(shape, device="cuda", dtype=torch.bfloat16) for shape in shapes)


def measured(objective: HelionObjective, config: dict[str, Any]) -> optuna.trial.FrozenTrial:
    study = optuna.create_study()
    study.enqueue_trial(objective.space.params(config))
    study.optimize(objective, n_trials=1, catch=objective.failures)
    return study.trials[0]


def test_random_configs_and_seeds_end_with_a_status() -> None:
    with helion_objective(triton(softmax), cuda((1024, 4096))) as objective:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        objective.enqueue_seeds(study)
        study.optimize(objective, n_trials=20, catch=objective.failures)
        best = objective.best_config(study)
    # Helion shortens some of the driver's names.
    assert torch.cuda.get_device_name().startswith(study.user_attrs["device"])
    assert study.user_attrs["default_latency_ms"] >= study.best_value > 0
    for trial in study.trials:
        assert (trial.user_attrs["status"] == "ok") == ("error" not in trial.user_attrs)
    (x,) = cuda((1024, 4096))
    expected = torch.softmax(x, dim=1)
    torch.testing.assert_close(triton(softmax, config=best)(x), expected, rtol=0.05, atol=1e-3)


def test_too_much_shared_memory_is_a_runtime_error() -> None:
    shapes = ((4096, 4096), (4096, 4096))
    with helion_objective(triton(matmul), cuda(*shapes)) as objective:
        greedy = {"block_sizes": [256, 256, 256], "num_stages": 8, "num_warps": 32}
        trial = measured(objective, greedy)
        assert trial.state == TrialState.FAIL
        assert trial.user_attrs["status"] == "runtime_error"
        assert "out of resource" in trial.user_attrs["error"]
        # The worker and the parent are as good as before.
        assert measured(objective, {}).state == TrialState.COMPLETE


def test_a_compiler_that_takes_too_long_is_a_compile_timeout() -> None:
    kernel = triton(softmax, autotune_compile_timeout=0)
    with helion_objective(kernel, cuda((1024, 4096))) as objective:
        trial = measured(objective, {"block_sizes": [4], "num_warps": 2})
    assert trial.user_attrs["status"] == "compile_timeout"
    assert "had not finished after 0 s" in trial.user_attrs["error"]


def test_a_worker_that_takes_too_long_is_a_benchmark_timeout() -> None:
    # Starting the worker process alone takes longer than this.
    kernel = triton(softmax, autotune_benchmark_subprocess=True, autotune_benchmark_timeout=1)
    with helion_objective(kernel, cuda((1024, 4096))) as objective:
        trial = measured(objective, {})
    assert trial.user_attrs["status"] == "benchmark_timeout"
    assert "benchmark timeout after 1.0s" in trial.user_attrs["error"]


def test_a_wrong_result_is_found_in_the_worker() -> None:
    kernel = triton(softmax, autotune_baseline_fn=lambda x: torch.softmax(x, dim=1) + 1)
    with helion_objective(kernel, cuda((1024, 4096))) as objective:
        trial = measured(objective, {})
    assert trial.user_attrs["status"] == "wrong_result"
    assert "not close" in trial.user_attrs["error"]
