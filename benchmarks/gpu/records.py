"""Raw results: one JSON line a run of a tuner, and one a kernel whose winners were re-timed."""

from __future__ import annotations

import fcntl
import gzip
import json
import statistics
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from benchmarks.lines import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    T = TypeVar("T")

REBENCHMARK = "rebenchmark"
"""Status of a point that is another measurement of a known configuration."""


class Job(NamedTuple):
    """A run that is wanted."""

    kernel: str
    tuner: str
    seed: int

    def __str__(self) -> str:
        return f"{self.kernel}/{self.tuner}/{self.seed}"


@dataclass(frozen=True)
class Point:
    """The outcome of one configuration.

    Attributes:
        seconds: since the call of the tuner.
        latency_ms: None unless it was measured.
        status: as the tuner calls it; ``"ok"`` or ``"rebenchmark"`` if it was measured.
        config: the configuration.
        compile_s: seconds that compiling it took, code generation included, if it is known.
        origin: what had it tried, if the tuner tells and it was not its model.
        ask_s: seconds that choosing it took, if the tuner tells.
        measure_s: seconds for which it had the measuring process, if the tuner tells.
    """

    seconds: float
    latency_ms: float | None
    status: str
    config: dict[str, Any]
    compile_s: float | None = None
    origin: str | None = None
    ask_s: float | None = None
    measure_s: float | None = None


@dataclass(frozen=True)
class Run:
    """One run of a tuner on a kernel, in a process of its own with empty caches.

    Attributes:
        kernel: name of the problem.
        tuner: name of the tuner.
        seed: of the tuner.
        device: the device's name.
        cores: of the host.
        versions: of the packages at work.
        seconds: from the call of the tuner to its return.
        process_seconds: from the start of the process to the tuner's return.
        points: what was measured, in the order of time.
        config: the winner.
        latency_ms: the winner's, as the tuner itself measured it last.
        measuring_seconds: spent on launching and timing candidates; what a tuner spends on
            measuring some of them again is not in it where its log does not tell.
        gpu_utilization: the driver's mean share of the tuner's time in which a kernel ran.
        stop_reason: why it ended, if it tells.
        error: why it has no winner.
    """

    kernel: str
    tuner: str
    seed: int
    device: str = ""
    cores: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    process_seconds: float | None = None
    points: list[Point] = field(default_factory=list)
    config: dict[str, Any] | None = None
    latency_ms: float | None = None
    measuring_seconds: float | None = None
    gpu_utilization: float | None = None
    stop_reason: str | None = None
    error: str | None = None

    @property
    def job(self) -> Job:
        return Job(self.kernel, self.tuner, self.seed)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many configurations ended with each status."""
        return dict(Counter(p.status for p in self.points if p.status != REBENCHMARK))


@dataclass(frozen=True)
class Retimed:
    """One configuration timed beside the others of its kernel.

    Attributes:
        names: whose it is: runs as in ``"matmul/ours/0"``, or ``"matmul/default"``.
        config: the configuration; empty for the default.
        rounds: the median latency of each round in milliseconds; empty if it failed.
        relative_error: of its result against the reference.
        error: why it was not timed.
    """

    names: list[str]
    config: dict[str, Any]
    rounds: list[float] = field(default_factory=list)
    relative_error: float | None = None
    error: str | None = None

    @property
    def latency_ms(self) -> float | None:
        """The median round's latency."""
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def spread(self) -> float | None:
        """The interquartile range of the rounds by their median."""
        if len(self.rounds) < 2:
            return None
        low, middle, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return (high - low) / middle


@dataclass(frozen=True)
class Retiming:
    """All configurations of a kernel, timed in one process."""

    kernel: str
    device: str
    versions: dict[str, str]
    configs: list[Retimed]


def append(path: Path, record: Run | Retiming) -> None:
    """Adds a line; floats keep six digits. Threads and processes may do so side by side."""
    fields = asdict(record)
    if isinstance(record, Run):
        # For readers of the raw file; loading counts anew.
        fields["outcomes"] = record.outcomes
    with path.open("a") as file:
        # Closing releases it, after what is written.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(as_line(fields) + "\n")


def runs(paths: Iterable[Path]) -> dict[Job, Run]:
    """Reads runs; of several of the same job the last one counts, if it did not fail.

    Raises:
        ValueError: A line is no record.
    """
    found: dict[Job, Run] = {}
    for run in _read(paths, _run):
        known = found.get(run.job)
        if known is None or known.error is not None or run.error is None:
            found[run.job] = run
    return found


def retimings(paths: Iterable[Path]) -> dict[str, Retiming]:
    """Reads re-timings; the last one of a kernel counts.

    Raises:
        ValueError: A line is no record.
    """
    return {retiming.kernel: retiming for retiming in _read(paths, _retiming)}


def _read(paths: Iterable[Path], parse: Callable[[dict[str, Any]], T]) -> list[T]:
    found = []
    for path in paths:
        for number, line in enumerate(text_of(path).splitlines(), start=1):
            try:
                found.append(parse(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                # The last line of a killed process may be torn.
                raise ValueError(
                    f"{path}:{number} is no record ({error}); delete that line."
                ) from error
    return found


def text_of(path: Path) -> str:
    """Reads a file that may be compressed, and that others may append to."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        content = file.read()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def _run(fields: dict[str, Any]) -> Run:
    del fields["outcomes"]
    fields["points"] = [Point(**point) for point in fields["points"]]
    return Run(**fields)


def _retiming(fields: dict[str, Any]) -> Retiming:
    fields["configs"] = [Retimed(**config) for config in fields["configs"]]
    return Retiming(**fields)
