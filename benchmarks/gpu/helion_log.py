"""What a search of Helion did, read from the trace that it writes (Helion 1.5 and later)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.gpu.records import REBENCHMARK, Point

if TYPE_CHECKING:
    from pathlib import Path

LOG_NAME = "helion"
TRACE_NAME = f"{LOG_NAME}.trace.jsonl"


@dataclass
class SearchLog:
    """The trace's content.

    Attributes:
        points: candidates that ended, and what was measured again.
        config: the winner, if there is one.
        measuring_seconds: from the first launch of each candidate to the end of its timing.
    """

    points: list[Point] = field(default_factory=list)
    config: dict[str, Any] | None = None
    measuring_seconds: float = 0.0

    @property
    def latency_ms(self) -> float | None:
        """The last measured latency of the winner."""
        measured = [p.latency_ms for p in self.points if p.config == self.config]
        return next((ms for ms in reversed(measured) if ms is not None), None)


def read_trace(path: Path, started: float) -> SearchLog:
    """Reads the trace of a search, which may have been interrupted.

    Args:
        path: the file; a search that ended before it began to measure has none.
        started: when the tuner was called, in seconds since the epoch.
    """
    log = SearchLog()
    launched: dict[str, float] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        event = json.loads(line)
        if event["event"] == "trial_start":
            launched[event["config_id"]] = event["timestamp_s"]
        elif event["event"] in ("trial", "rebenchmark"):
            since = launched.pop(event["config_id"], event["timestamp_s"])
            log.measuring_seconds += event["timestamp_s"] - since
            log.points.append(_point(event, started))
        elif event["event"] == "selected":
            log.config = event["config"]
    log.points.sort(key=lambda point: point.seconds)
    return log


def _point(event: dict[str, Any], started: float) -> Point:
    return Point(
        seconds=event["timestamp_s"] - started,
        latency_ms=event["perf_ms"],
        status=REBENCHMARK if event["event"] == "rebenchmark" else event["status"],
        config=event["config"],
    )
