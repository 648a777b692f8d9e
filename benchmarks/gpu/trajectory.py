"""How the best known configuration of a run went down with time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.gpu.records import REBENCHMARK, Point

if TYPE_CHECKING:
    from benchmarks.gpu.records import Run


def improvements(run: Run) -> list[Point]:
    """Returns the points that were faster than all before them.

    Repeated measurements are left out: what they show a tuner learns late, and most tuners do
    not log them.
    """
    best: list[Point] = []
    for point in run.points:
        latency = point.latency_ms
        if point.status == REBENCHMARK or latency is None:
            continue
        if not best or latency < (best[-1].latency_ms or 0.0):
            best.append(point)
    return best


def best_at(run: Run, seconds: float) -> Point | None:
    """Returns the fastest configuration after ``seconds``, or the winner if it had ended.

    None stands for nothing measured yet.
    """
    known = [point for point in improvements(run) if point.seconds <= seconds]
    if run.config is not None and run.seconds is not None and run.seconds <= seconds:
        return Point(run.seconds, run.latency_ms, "ok", run.config)
    return known[-1] if known else None


def seconds_until(run: Run, latency: float, scale: float) -> float | None:
    """Returns when a run first had a configuration of at most ``latency``, or None if never.

    Measurements of one process are not those of another, so the run's own are multiplied by
    ``scale``. One that is faster than the run's winner was so by chance, or the tuner would have
    chosen it; it counts as the winner's.
    """
    least = run.latency_ms or 0.0
    for point in improvements(run):
        assert point.latency_ms is not None
        if max(point.latency_ms, least) * scale <= latency:
            return point.seconds
    return None
