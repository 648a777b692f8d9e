"""What a trial costs in an SQLite file: ``python -m benchmarks.transactions``."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING

import optuna
import sqlalchemy.event

from benchmarks.workers import NAME, Endless, SleepingTask
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion.tuner import conduct

if TYPE_CHECKING:
    from collections.abc import Callable

N_TRIALS = 100


def pipeline(task: SleepingTask, study: optuna.Study) -> None:
    """As ``tune`` does it."""
    conduct(task, study, Endless(N_TRIALS, None), seed=0)


def call_by_call(task: SleepingTask, study: optuna.Study) -> None:
    """As an objective in ``study.optimize`` does it."""
    engine = task.engine()
    for _ in range(N_TRIALS):
        trial = study.ask()
        configuration = task.proposed(trial, "worker")
        outcome = engine.measure(configuration)  # type: ignore[arg-type]
        task.conclude(trial, None, outcome)
        study.tell(trial, outcome.latency_ms)


def measure(way: Callable[[SleepingTask, optuna.Study], None]) -> tuple[float, float]:
    """Returns commits and milliseconds of processor time a trial."""
    task, n_commits = SleepingTask(seconds=0.0), 0

    def count(connection: object) -> None:
        nonlocal n_commits
        n_commits += 1

    with tempfile.TemporaryDirectory() as folder:
        study = open_study(NAME, f"sqlite:///{folder}/study.db", task.sampler(0))
        sqlalchemy.event.listen(study._storage._backend.engine, "commit", count)  # type: ignore[attr-defined]
        started = time.process_time()
        way(task, study)
        milliseconds = 1000.0 * (time.process_time() - started)
    return n_commits / N_TRIALS, milliseconds / N_TRIALS


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("| | transactions | processor time, ms |\n| --- | ---: | ---: |")
    for way in (call_by_call, pipeline):
        commits, milliseconds = measure(way)
        print(f"| {way.__name__} | {commits:.1f} | {milliseconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
