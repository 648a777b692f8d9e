from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import optuna
import pytest
from optuna.samplers import RandomSampler
from sqlalchemy.exc import OperationalError

from optuna_lfbo.helion._local_journal import local_journal
from optuna_lfbo.helion._storage import open_study

if TYPE_CHECKING:
    from pathlib import Path


def test_workers_that_start_at_once_share_a_new_database(tmp_path: Path) -> None:
    # Left to Optuna alone, about every second of them fails.
    n_workers = 8
    barrier = Barrier(n_workers)

    def work(_: int) -> int:
        barrier.wait()
        return open_study("shared", f"sqlite:///{tmp_path}/new.db")._study_id

    with ThreadPoolExecutor(n_workers) as pool:
        assert len(set(pool.map(work, range(n_workers)))) == 1


def test_the_study_goes_on_with_the_sampler_that_is_given(tmp_path: Path) -> None:
    storage, sampler = f"sqlite:///{tmp_path}/study.db", RandomSampler()
    open_study("one", storage).ask()
    study = open_study("one", storage, sampler)
    assert len(study.trials) == 1
    assert study.sampler is sampler


def test_a_database_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="unable to open database file"):
        open_study("one", f"sqlite:///{tmp_path}/nowhere/study.db")


def test_a_journal_of_one_machine_outlives_who_held_its_lock(tmp_path: Path) -> None:
    storage = local_journal(tmp_path / "study.log")
    study = optuna.create_study(study_name="one", storage=storage)
    program = (
        "import sys, time; from optuna_lfbo.helion._local_journal import KernelLock\n"
        "KernelLock(sys.argv[1]).acquire(); print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, f"{tmp_path}/study.log.lock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    study.ask()
    other = pickle.loads(pickle.dumps(storage))
    assert len(optuna.load_study(study_name="one", storage=other).trials) == 1
