"""Tuning on several GPUs, and on another one than the first."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from optuna_lfbo.helion import tune
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


PROGRAM = """
import os, sys, torch
from optuna_lfbo.helion import tune
from tests.kernels.suite import softmax, triton

if __name__ == "__main__":
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    x = torch.randn((1024, 4096), device=device, dtype=torch.bfloat16)
    result = tune(triton(softmax), (x,), storage=sys.argv[1], n_trials=30)
    print("config", dict(result.config), flush=True)
"""


def test_workers_of_torchrun_join_one_study_and_agree(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(program)]
    ended = subprocess.run(
        [*command, f"sqlite:///{tmp_path}/study.db"],
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=True,
    )
    configs = [line for line in ended.stdout.splitlines() if "config" in line]
    assert len(configs) == 2
    assert len({config.partition("config")[2] for config in configs}) == 1
