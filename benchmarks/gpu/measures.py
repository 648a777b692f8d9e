"""Figures of runs, and ratios of tuners over what both have done."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.gpu.records import REBENCHMARK
from benchmarks.gpu.retime import AT_QUICK, AT_STOP, DEFAULT
from benchmarks.gpu.trajectory import seconds_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.gpu.records import Job, Point, Retiming, Run

Figure: TypeAlias = Callable[["Run"], "float | None"]

_UNTRIED = ("duplicate", "deduplicated", "rejected", "source_rejected")

_FEWEST_FOR_A_RATE = 20


class Results:
    """Runs and re-timings together.

    Attributes:
        runs: the runs that have a winner.
        failed: those that have none.
    """

    def __init__(self, runs: Mapping[Job, Run], retimings: Mapping[str, Retiming]) -> None:
        self.runs = {job: run for job, run in runs.items() if run.error is None}
        self.failed = {job: run for job, run in runs.items() if run.error is not None}
        self.retimed = {
            name: retimed
            for retiming in retimings.values()
            for retimed in retiming.configs
            for name in retimed.names
        }

    @property
    def kernels(self) -> list[str]:
        """The kernels with a run, in the order in which they were run."""
        return list(dict.fromkeys(job.kernel for job in (*self.runs, *self.failed)))

    @property
    def tuners(self) -> list[str]:
        """The tuners with a run."""
        return list(dict.fromkeys(job.tuner for job in (*self.runs, *self.failed)))

    def of(self, kernel: str, tuner: str) -> list[Run]:
        """Returns a tuner's runs of a kernel."""
        return [run for job, run in self.runs.items() if job[:2] == (kernel, tuner)]

    def latency_of(self, name: str) -> float | None:
        """Returns a re-timed latency."""
        retimed = self.retimed.get(name)
        return None if retimed is None else retimed.latency_ms

    def latency(self, run: Run) -> float | None:
        """Returns the re-timed latency of a run's winner."""
        return self.latency_of(str(run.job))

    def latency_by_quick(self, run: Run) -> float | None:
        """Returns the re-timed latency of what a run had when the quick search returned."""
        return self.latency_of(f"{run.job}/{AT_QUICK}")

    def latency_by_stop(self, run: Run) -> float | None:
        """Returns the re-timed latency of the best that a stopped run had measured."""
        return self.latency_of(f"{run.job}/{AT_STOP}")

    def default_latency(self, kernel: str) -> float | None:
        """Returns the re-timed latency of Helion's default."""
        return self.latency_of(f"{kernel}/{DEFAULT}")

    def spread(self, run: Run) -> float | None:
        """Returns the re-timed latency's spread."""
        retimed = self.retimed.get(str(run.job))
        return None if retimed is None else retimed.spread

    def best(self, kernel: str) -> float | None:
        """Returns the lowest re-timed latency of a kernel."""
        known = [
            retimed.latency_ms
            for name, retimed in self.retimed.items()
            if name.startswith(f"{kernel}/") and retimed.latency_ms is not None
        ]
        return min(known, default=None)

    def seconds_until(self, run: Run, excess: float) -> float | None:
        """Returns when a run was first within ``excess`` of the best; infinity for never."""
        latency, best = self.latency(run), self.best(run.kernel)
        if latency is None or best is None or run.latency_ms is None:
            return None
        reached = seconds_until(run, (1 + excess) * best, latency / run.latency_ms)
        return math.inf if reached is None else reached

    def ratio(self, figure: Figure, kernel: str, tuner: str, other: str) -> float | None:
        """Returns a figure of a tuner by another's: the geometric mean over the seeds of both."""
        theirs = {run.seed: run for run in self.of(kernel, other)}
        pairs = [(run, theirs[run.seed]) for run in self.of(kernel, tuner) if run.seed in theirs]
        return geometric_mean(
            mine / reference
            for run, counterpart in pairs
            if (mine := figure(run)) is not None and (reference := figure(counterpart)) is not None
        )

    def mean(self, figure: Figure, kernel: str, tuner: str) -> float | None:
        """Returns the geometric mean of a figure over a tuner's runs of a kernel."""
        return geometric_mean(figure(run) for run in self.of(kernel, tuner))

    def share(self, figure: Figure, kernel: str, tuner: str) -> float | None:
        """Returns the arithmetic mean of a share, which may be zero."""
        known = [x for run in self.of(kernel, tuner) if (x := figure(run)) is not None]
        return math.fsum(known) / len(known) if known else None


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Returns the geometric mean of what is not None, or None if nothing is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return math.exp(math.fsum(map(_log, known)) / len(known))


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def seconds(run: Run) -> float | None:
    """Wall-clock from the call of the tuner to its return."""
    return run.seconds


def process_seconds(run: Run) -> float | None:
    """Wall-clock with the start of the process."""
    return run.process_seconds


def n_configs(run: Run) -> float:
    """Configurations that were tried: what was known or refused beforehand does not count."""
    return float(sum(map(_was_tried, run.points)))


def _was_tried(point: Point) -> bool:
    return point.status not in (*_UNTRIED, REBENCHMARK)


def failed_share(run: Run) -> float | None:
    """The share of the configurations tried that gave no latency."""
    failed = sum(point.latency_ms is None and _was_tried(point) for point in run.points)
    return failed / n_configs(run) if n_configs(run) else None


def first_result(run: Run) -> float | None:
    """Wall-clock until the first latency."""
    return next((point.seconds for point in run.points if point.latency_ms is not None), None)


def steady_rate(run: Run) -> float | None:
    """Configurations tried a second, between the first tenth of them and the last."""
    times = [point.seconds for point in run.points if _was_tried(point)]
    if len(times) < _FEWEST_FOR_A_RATE:
        return None
    begin, end = len(times) // 10, len(times) - 1 - len(times) // 10
    return (end - begin) / (times[end] - times[begin]) if times[end] > times[begin] else None


def utilization(run: Run) -> float | None:
    """The share of the wall-clock in which a kernel ran, as the driver tells."""
    return run.gpu_utilization


def busy_share(run: Run) -> float | None:
    """The share of the wall-clock in which a candidate was launched or timed."""
    if run.measuring_seconds is None or not run.seconds:
        return None
    return run.measuring_seconds / run.seconds
