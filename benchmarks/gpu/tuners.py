"""The tuners by name, each called as its users would call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.gpu.helion_log import LOG_NAME, TRACE_NAME, read_trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.gpu.records import Point

SEARCHES = {
    "lfbo_tree": ("LFBOTreeSearch", "full"),
    "lfbo_pattern": ("LFBOPatternSearch", "full"),
    "pattern": ("PatternSearch", "full"),
    "quick": ("", "quick"),
}
"""Helion's searches and efforts; no name is Helion's default search."""

TUNERS = ("ours", *SEARCHES)


@dataclass(frozen=True)
class Tuned:
    """What came of a run; the fields are those of :class:`benchmarks.gpu.records.Run`."""

    points: list[Point]
    config: dict[str, Any] | None
    latency_ms: float | None
    measuring_seconds: float | None
    stop_reason: str | None = None


class Tuner(Protocol):
    """Tunes a kernel once, in a process that does nothing else."""

    def run(self, kernel: Any, args: Sequence[object], seed: int) -> None:
        """Tunes; this is what takes the time."""
        ...

    def result(self, folder: Path, started: float) -> Tuned:
        """Says what came of it, also if :meth:`run` was interrupted.

        Args:
            folder: as given to :func:`environment`.
            started: when :meth:`run` was called, in seconds since the epoch.
        """
        ...


def environment(tuner: str, seed: int, folder: Path) -> dict[str, str]:
    """Variables that a tuner's process must be started with; its files go into ``folder``."""
    if tuner == "ours":
        return {}
    algorithm, effort = SEARCHES[tuner]
    return {
        "HELION_AUTOTUNER": algorithm,
        "HELION_AUTOTUNE_EFFORT": effort,
        "HELION_AUTOTUNE_RANDOM_SEED": str(seed),
        "HELION_AUTOTUNE_LOG": str(folder / LOG_NAME),
        "HELION_AUTOTUNE_LOG_DETAILS": "1",
    }


def load(tuner: str) -> Tuner:
    """Imports what a tuner needs, and not what another one does."""
    if tuner == "ours":
        from benchmarks.gpu.ours import Ours

        return Ours()
    return HelionSearch()


class HelionSearch:
    """The search that the environment chooses."""

    def run(self, kernel: Any, args: Sequence[object], seed: int) -> None:
        kernel.autotune(args, force=True)

    def result(self, folder: Path, started: float) -> Tuned:
        log = read_trace(folder / TRACE_NAME, started)
        return Tuned(log.points, log.config, log.latency_ms, log.measuring_seconds)
