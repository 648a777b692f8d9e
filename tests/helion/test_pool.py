"""Worker processes, and what takes the place of one that is killed."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from optuna_lfbo.helion._compat_worker import BenchmarkSubprocessError, BenchmarkTimeout
from optuna_lfbo.helion._pool import Pool

LIMIT_S = 180.0


def prepare(folder: Path, n_at_once: int) -> None:
    """Note this process; wait for leave if there are more than ``n_at_once``."""
    (folder / str(os.getpid())).touch()
    if len(pids(folder)) > n_at_once:
        until((folder / "leave").exists)


def pids(folder: Path) -> set[int]:
    return {int(path.name) for path in folder.iterdir() if path.name.isdecimal()}


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def together(folder: Path) -> int:
    """How many processes are in here at the same time."""
    mine = folder / f"running{os.getpid()}"
    mine.touch()
    time.sleep(0.1)
    n = len(list(folder.glob("running*")))
    mine.unlink()
    return n


def hang() -> None:
    time.sleep(LIMIT_S)


def die() -> None:
    os._exit(1)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Pool]]:
    """Makes a pool, of which so many processes are started, and closes it in the end."""
    with contextlib.ExitStack() as stack:

        def start(n: int, *, size: int, n_spare: int, n_at_once: int) -> Pool:
            pool = Pool(size, functools.partial(prepare, tmp_path, n_at_once), n_spare)
            stack.callback(pool.close)
            pool.start(n)
            return pool

        yield start


def test_a_spare_process_takes_the_place_of_a_killed_one(
    tmp_path: Path, started: Callable[..., Pool]
) -> None:
    pool = started(1, size=1, n_spare=1, n_at_once=2)
    first, _ = pool.run(os.getpid, LIMIT_S)
    until(lambda: len(pids(tmp_path)) == 2)
    (spare,) = pids(tmp_path) - {first}
    with pytest.raises(BenchmarkTimeout):
        pool.run(hang, 0.2)
    # The third one waits for leave.
    assert pool.run(os.getpid, LIMIT_S)[0] == spare
    until(lambda: len(pids(tmp_path)) == 3)
    with pytest.raises(BenchmarkSubprocessError):
        pool.run(die, LIMIT_S)
    (tmp_path / "leave").touch()
    assert pool.run(os.getpid, LIMIT_S)[0] not in (first, spare)


def test_spare_processes_run_no_more_jobs_at_once(
    tmp_path: Path, started: Callable[..., Pool]
) -> None:
    pool = started(1, size=1, n_spare=1, n_at_once=2)
    until(lambda: len(pids(tmp_path)) == 2)
    job = functools.partial(together, tmp_path)
    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(lambda _: pool.run(job, LIMIT_S)[0], range(4)))
    assert answers == [1, 1, 1, 1]


def test_no_spare_process_is_started_beside_a_part_of_a_pool(
    tmp_path: Path, started: Callable[..., Pool]
) -> None:
    pool = started(1, size=2, n_spare=7, n_at_once=9)
    pool.run(functools.partial(time.sleep, 1.0), LIMIT_S)
    assert len(pids(tmp_path)) <= 2


def test_a_closed_pool_has_no_processes(tmp_path: Path, started: Callable[..., Pool]) -> None:
    pool = started(2, size=2, n_spare=1, n_at_once=1)
    until(lambda: len(pids(tmp_path)) == 2)
    pool.close()
    with pytest.raises(RuntimeError, match="stopped"):
        pool.run(os.getpid, LIMIT_S)
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids(tmp_path)))
