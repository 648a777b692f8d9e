"""How many processes there are, and which of them come first."""

import functools
import os
from pathlib import Path

import pytest
import torch

from optuna_lfbo.helion._compat_worker import Worker
from optuna_lfbo.helion._jobs import PrepareCompiler
from optuna_lfbo.helion._processes import Processes

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


@pytest.mark.parametrize(
    ("device", "n_cores", "n_workers", "expected"),
    [(GPU, 16, 1, 16), (GPU, 16, 4, 4), (GPU, 2, 4, 1), (CPU, 16, 1, 14), (CPU, 2, 1, 1)],
)
def test_compilers_leave_cores_alone_only_where_these_are_measured(
    monkeypatch: pytest.MonkeyPatch,
    device: torch.device,
    n_cores: int,
    n_workers: int,
    expected: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(n_cores)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(n_workers))
    processes = Processes([], device)
    assert processes.n_compilers == expected
    processes.close()


@pytest.mark.parametrize("niceness", [0, 10])
def test_a_compiler_gives_way_once(tmp_path: Path, niceness: int) -> None:
    worker, before = Worker(), os.nice(0)
    try:
        for _ in range(2):
            worker.run(PrepareCompiler([], str(tmp_path), niceness), 180.0)
        assert worker.run(functools.partial(os.nice, 0), 60.0) == max(before, niceness)
    finally:
        worker.stop()
