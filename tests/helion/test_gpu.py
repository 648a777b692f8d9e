"""What only a CUDA device shows: compiling ahead, event timing, a lost device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_lfbo.helion import helion_objective, tune
from tests.kernels import faulty
from tests.kernels.sources import sources
from tests.kernels.suite import CASES, matmul, softmax, triton

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
        study.optimize(objective, n_trials=12, catch=objective.failures)
        best = objective.best_config(study)
    # Helion shortens some of the driver's names.
    assert torch.cuda.get_device_name().startswith(study.user_attrs["device"])
    assert study.user_attrs["default_latency_ms"] >= study.best_value > 0
    for trial in study.trials:
        assert (trial.user_attrs["status"] == "ok") == ("error" not in trial.user_attrs)
    (x,) = cuda((1024, 4096))
    expected = torch.softmax(x, dim=1)
    torch.testing.assert_close(triton(softmax, config=best)(x), expected, rtol=0.05, atol=1e-3)


def test_too_much_shared_memory_is_found_without_the_device() -> None:
    shapes = ((4096, 4096), (4096, 4096))
    with helion_objective(triton(matmul), cuda(*shapes)) as objective:
        greedy = {"block_sizes": [128, 256, 64], "num_stages": 8, "num_warps": 8}
        trial = measured(objective, greedy)
        assert trial.state == TrialState.FAIL
        assert trial.user_attrs["status"] == "runtime_error"
        assert "out of resource" in trial.user_attrs["error"]
        assert trial.user_attrs["measure_s"] == 0.0
        assert measured(objective, {}).state == TrialState.COMPLETE


def test_what_is_compiled_ahead_is_not_compiled_again() -> None:
    with helion_objective(triton(softmax), cuda((1024, 4096))) as objective:
        measured(objective, {})
        trial = measured(objective, {"block_sizes": [2], "num_warps": 8})
    assert trial.user_attrs["status"] == "ok"
    assert trial.user_attrs["measure_s"] < trial.user_attrs["compile_s"]


@pytest.mark.parametrize("name", ["matmul", "attention", "layer_norm"])
def test_what_is_measured_is_what_helion_would_run(name: str) -> None:
    pairs = list(sources(triton(CASES[name].fn), CASES[name].make_args("cuda"), n=20))
    assert len(pairs) > 5
    assert any("_desc.load(" in mine for mine, _ in pairs) or name == "layer_norm"
    for mine, helions in pairs:
        assert mine == helions


@pytest.mark.parametrize("fault", faulty.FAULTS)
def test_faults_of_the_measuring_process_are_told_apart(fault: str) -> None:
    expected = {"none": "ok", "wrong": "wrong_result", "hangs": "benchmark_timeout"}
    kernel = faulty.kernel("triton", autotune_benchmark_timeout=5)
    (x,) = cuda((1024, 128))
    with helion_objective(kernel, (x.float(),)) as objective:
        config = {**objective.space.default.config, "fault": faulty.FAULTS.index(fault)}
        assert measured(objective, config).user_attrs["status"] == expected.get(
            fault, "runtime_error"
        )
        sound = {**config, "fault": 0, "num_warps": 8}
        assert measured(objective, sound).state == TrialState.COMPLETE


def test_tuning_goes_on_at_full_speed_beside_all_of_them() -> None:
    kernel = faulty.kernel("triton", autotune_benchmark_timeout=5)
    (x,) = cuda((4096, 4096))
    result = tune(kernel, (x.float(),), seed=0, n_trials=100)
    expected = {"none": "ok", "wrong": "wrong_result", "hangs": "benchmark_timeout"}
    measured = [
        trial
        for trial in result.study.trials
        if trial.user_attrs.get("measure_s") and "first_look" not in trial.user_attrs
    ]
    assert len(measured) > 20
    for trial in measured:
        fault = faulty.FAULTS[trial.user_attrs["config"]["fault"]]
        assert trial.user_attrs["status"] == expected.get(fault, "runtime_error")
    assert result.config["fault"] == 0
    assert result.default_latency_ms is not None
    assert result.latency_ms <= 1.03 * result.default_latency_ms
