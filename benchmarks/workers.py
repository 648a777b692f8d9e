"""Workers on one study: ``python -m benchmarks.workers --help``.

Each worker is a process that runs the pipeline of ``tune``. In place of a kernel it measures
something that takes half a second and no core, so that what the workers cost one another is
all that can slow them down.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from benchmarks.lines import as_line
from optuna_lfbo import LFBOSampler
from optuna_lfbo.helion._identity import Identity
from optuna_lfbo.helion._local_journal import local_journal
from optuna_lfbo.helion._outcome import Outcome, key_of
from optuna_lfbo.helion._stop import StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion._task import Task
from optuna_lfbo.helion.tuner import conduct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.synchronize import Barrier

    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

    Configuration = Mapping[str, Any]

NAME = "workers"
SPACE: dict[str, BaseDistribution] = {
    **{f"n{i}": IntDistribution(0, 7) for i in range(10)},
    "pipelined": CategoricalDistribution([False, True]),
    "n_buffers": IntDistribution(1, 8),
}
"""The number of buffers has no effect without a pipeline."""


class SleepingEngine:
    """Measures one configuration at a time, as a device would."""

    n_compilers = 1
    busy_s = 0.0
    unit = "ms"
    unit_ms = 1.0

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()

    def measure(
        self, config: Configuration, best_ms: Callable[[], float | None] | None = None
    ) -> Outcome:
        with self._lock:
            time.sleep(self._seconds)
        return Outcome("ok", latency_of(config), measure_s=self._seconds)

    def retime(
        self, configs: Sequence[Configuration], rounds: int, repeat: int
    ) -> list[list[float]]:
        return [[latency_of(config)] * rounds for config in configs]

    def code(self, config: Configuration) -> None:
        """There is none."""

    def close(self) -> None:
        """Nothing runs on."""


class SleepingTask(Task):
    """Tunes what `SleepingEngine` measures."""

    def __init__(self, seconds: float = 0.5, space: Mapping[str, BaseDistribution] = SPACE):
        self._seconds = seconds
        identity = Identity("python", NAME, "0", [], "cpu", {})
        super().__init__(identity, space, seeds=[], default=None)

    def configuration(self, params: Mapping[str, Any]) -> dict[str, Any]:
        unused = () if params.get("pipelined") else ("n_buffers",)
        return {name: value for name, value in params.items() if name not in unused}

    def params(self, configuration: Configuration) -> dict[str, Any]:
        return {name: configuration.get(name, 1) for name in self.distributions}

    def config(self, configuration: Configuration) -> Configuration:
        return configuration

    def sampler(self, seed: int | None = None) -> BaseSampler:
        return LFBOSampler(
            seed=seed, canonical=lambda params: self.params(self.configuration(params))
        )

    def engine(self, n_compilers: int | None = None) -> SleepingEngine:
        return SleepingEngine(self._seconds)


class Endless(StopRule):
    """Ends by its timeout alone."""

    def finish(self, latency_ms: float | None) -> None:
        """Whether it is better makes no difference."""


def latency_of(config: Configuration) -> float:
    """A bowl, with its bottom at 1."""
    return 1.0 + sum((value - 3) ** 2 for value in config.values()) / 100.0


@dataclass(frozen=True)
class Run:
    """One line of raw results.

    Attributes:
        storage: where the study was.
        n_before: trials that it held at the beginning.
        n_workers: processes.
        start_s: seconds until each worker had told its first trial, and so had read what was
            there and fitted its models.
        seconds: that new trials were counted from then on.
        n_trials: that ended meanwhile with a measurement of their own.
        rate: of these, a second.
        n_twice: configurations that were measured more than once.
        asking_share: of a worker's time, for the sampler and the storage.
    """

    storage: str
    n_before: int
    n_workers: int
    start_s: float
    seconds: float
    n_trials: int
    rate: float
    n_twice: int
    asking_share: float


def measure(kind: str, path: Path, n_workers: int, seconds: float, sleep_s: float) -> Run:
    """Lets workers tune side by side; their start does not count."""
    study = open_study(NAME, opened(kind, path), SleepingTask().sampler())
    n_before = len(study.trials)
    # Forked, as importing torch in each of them would take minutes on a small machine.
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(n_workers + 1)
    workers = [
        context.Process(target=_work, args=(kind, path, seconds, sleep_s, barrier, seed))
        for seed in range(n_workers)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    began = datetime.now()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("A worker failed; see above.")
    study = open_study(NAME, opened(kind, path))
    measured = [trial for trial in study.trials if trial.user_attrs.get("status") == "ok"]
    new = [trial for trial in measured[n_before:] if trial.datetime_complete is not None]
    times = [(trial.datetime_complete - began).total_seconds() for trial in new]
    firsts: dict[str, float] = {}
    for trial, time_s in zip(new, times, strict=True):
        worker = trial.user_attrs["worker"]
        firsts[worker] = min(time_s, firsts.get(worker, time_s))
    start_s = max(firsts.values())
    counted = sum(start_s < time_s <= seconds for time_s in times)
    counts = Counter(key_of(trial.user_attrs["config"]) for trial in measured)
    return Run(
        storage=kind,
        n_before=n_before,
        n_workers=n_workers,
        start_s=start_s,
        seconds=seconds - start_s,
        n_trials=counted,
        rate=counted / (seconds - start_s),
        n_twice=sum(count > 1 for count in counts.values()),
        asking_share=study.user_attrs["tuning"]["sampler_share"],
    )


def _work(
    kind: str, path: Path, seconds: float, sleep_s: float, barrier: Barrier, seed: int
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    task = SleepingTask(sleep_s)
    study = open_study(NAME, opened(kind, path), task.sampler(seed))
    study.get_trials(deepcopy=False)
    barrier.wait()
    conduct(task, study, Endless(None, seconds), seed)


def fill(storage: str | BaseStorage, n_trials: int) -> None:
    """Puts finished trials into a new study."""
    task, rng = SleepingTask(), random.Random(0)
    study = open_study(NAME, storage)
    task.claim(study)
    for _ in range(n_trials):
        params = {name: _random_value(SPACE[name], rng) for name in SPACE}
        config = task.configuration(params)
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.COMPLETE,
                value=latency_of(config),
                params=task.params(config),
                distributions=SPACE,
                user_attrs={"config": config, "status": "ok"},
            )
        )


def _random_value(distribution: BaseDistribution, rng: random.Random) -> Any:
    if isinstance(distribution, IntDistribution):
        return rng.randint(distribution.low, distribution.high)
    assert isinstance(distribution, CategoricalDistribution)
    return rng.choice(distribution.choices)


def opened(kind: str, path: Path) -> str | BaseStorage:
    """The storage in the file ``path``."""
    return f"sqlite:///{path}" if kind == "sqlite" else local_journal(path)


def copy(kind: str, source: Path, target: Path) -> None:
    """Copies a storage, with what a database has not put into its file yet."""
    if kind != "sqlite":
        shutil.copy(source, target)
        return
    with contextlib.closing(sqlite3.connect(source)) as connection:
        connection.execute("VACUUM INTO ?", [str(target)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    add = parser.add_argument
    add("--storage", choices=("journal", "sqlite"), default="journal", help="(default: journal)")
    add("--raw", type=Path, required=True, help="file of raw results, appended to (*.jsonl)")
    add("--workers", type=int, nargs="+", default=[1, 8], help="numbers of them (default: 1 8)")
    add("--before", type=int, nargs="+", default=[0], help="trials in the study (default: 0)")
    add("--seconds", type=float, default=30.0, help="that each run takes (default: 30)")
    add("--sleep", type=float, default=0.5, help="seconds of a measurement (default: 0.5)")
    add("--repeats", type=int, default=1, help="of each run (default: 1)")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        filled = {n: Path(folder) / f"{n}" for n in args.before}
        for n_before, path in filled.items():
            fill(opened(args.storage, path), n_before)
        runs = itertools.product(range(args.repeats), args.workers, args.before)
        for i, (_, n_workers, n_before) in enumerate(runs):
            path = Path(folder) / f"run{i}"
            copy(args.storage, filled[n_before], path)
            run = measure(args.storage, path, n_workers, args.seconds, args.sleep)
            print(as_line(asdict(run)), flush=True)
            with args.raw.open("a") as raw:
                raw.write(as_line(asdict(run)) + "\n")


if __name__ == "__main__":
    main()
