"""Runs samplers on tasks and appends one line a run to a file of raw results."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from tqdm import tqdm

from benchmarks import records, runners
from benchmarks.records import Record
from benchmarks.spec import parse
from benchmarks.tasks import Evaluator, load_task, task_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Job(NamedTuple):
    """A run to make; its first four fields are the key of its record."""

    task: str
    sampler: str
    seed: int
    n_trials: int
    tables: Path | None


def execute(job: Job) -> Record:
    """Makes one run."""
    task = load_task(job.task, job.tables)
    evaluate = Evaluator(task, job.n_trials)
    notes = runners.run(job.sampler, evaluate, job.seed)
    return Record(
        *job[:4],
        values=evaluate.values,
        n_calls=evaluate.n_calls,
        reference=task.reference,
        notes=notes,
        versions=runners.versions(job.sampler),
    )


def select_tasks(patterns: Sequence[str], tables: Path | None) -> list[str]:
    """Names the tasks that match any of the shell patterns.

    Raises:
        ValueError: a pattern matches none.
    """
    names = task_names(tables)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"tasks is {pattern!r}, which matches none of {names}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def run_all(
    samplers: Sequence[str],
    tasks: Sequence[str],
    n_seeds: int,
    n_trials: int,
    *,
    out: Path,
    tables: Path | None,
    workers: int,
) -> None:
    """Makes the runs that ``out`` does not hold yet, seed by seed, and appends them to it.

    A sampler skips the tasks that it cannot run (:data:`benchmarks.runners.GROUPS`).

    Raises:
        ValueError: a sampler or a task does not exist, or ``out`` is no file of results.
    """
    texts = [parse(sampler).text for sampler in samplers]
    for text in texts:
        runners.module_of(parse(text).family)
    done = {record.key for record in records.load([out] if out.exists() else [])}
    jobs = [
        job
        for seed, sampler, task in product(range(n_seeds), texts, select_tasks(tasks, tables))
        if runners.supports(parse(sampler).family, task)
        and (job := Job(task, sampler, seed, n_trials, tables))[:4] not in done
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    pool = _pool(workers)
    try:
        with out.open("a") as file:
            futures = [pool.submit(execute, job) for job in jobs]
            for future in tqdm(as_completed(futures), total=len(jobs), unit="run", mininterval=1):
                file.write(records.dump(future.result()) + "\n")
                file.flush()
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    """Processes of one thread each: two runs at once are faster than one on two cores."""
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "LOKY_MAX_CPU_COUNT",
    ):
        os.environ[name] = "1"
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
