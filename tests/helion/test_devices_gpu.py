"""Tuning on several GPUs, and on another one than the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from optuna_lfbo.helion import tune
from tests.helion.torchrun import configs_of_workers
from tests.kernels import faulty
from tests.kernels.suite import softmax, triton

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices"),
]


def args_on(device: str) -> tuple[torch.Tensor]:
    return (torch.randn((1024, 4096), device=device, dtype=torch.bfloat16),)


def test_two_gpus_share_one_study() -> None:
    result = tune(triton(softmax), args_on("cuda:0"), devices=[0, 1], n_trials=40, seed=0)
    measured = [t for t in result.study.trials if t.user_attrs.get("status") == "ok"]
    assert len({str(trial.user_attrs["config"]) for trial in measured}) == len(measured)
    assert len({trial.user_attrs["worker"] for trial in measured}) == 2
    assert result.stop_reason == "40 trials"
    assert result.speed_up is not None
    assert result.speed_up > 0.95


def test_faults_on_one_gpu_do_not_disturb_the_other() -> None:
    kernel = faulty.kernel("triton", autotune_benchmark_timeout=5)
    (x,) = args_on("cuda:0")
    result = tune(kernel, (x.float(),), devices=[0, 1], n_trials=60, seed=0)
    assert result.config["fault"] == 0
    statuses = {trial.user_attrs.get("status") for trial in result.study.trials}
    assert {"ok", "runtime_error"} <= statuses


def test_the_device_of_the_arguments_is_the_one_that_is_tuned_for() -> None:
    result = tune(triton(softmax), args_on("cuda:1"), n_trials=8, seed=0)
    assert {trial.user_attrs["status"] for trial in result.study.trials} & {"ok"}
    (x,) = args_on("cuda:1")
    with torch.cuda.device(x.device):
        ours = triton(softmax, config=result.config)(x)
    torch.testing.assert_close(ours, torch.softmax(x, dim=1), rtol=0.05, atol=1e-3)


def test_workers_of_torchrun_join_one_study_and_agree(tmp_path: Path) -> None:
    ours, theirs = configs_of_workers(tmp_path / "study.log", "cuda")
    assert ours == theirs
