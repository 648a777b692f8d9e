from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from optuna.samplers import RandomSampler
from sqlalchemy.exc import OperationalError

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
