"""Runs and re-timings made up for tests."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.records import Point, Retimed, Retiming, Run


def run(
    kernel: str = "matmul",
    tuner: str = "ours",
    seed: int = 0,
    *,
    seconds: float = 10.0,
    curve: tuple[tuple[float, float | None], ...] = ((2.0, 3.0), (4.0, 2.0)),
    **fields: Any,
) -> Run:
    """Makes a run that ends with the last point of its curve of seconds and latencies."""
    points = [
        Point(at, latency, "error" if latency is None else "ok", {"x": latency})
        for at, latency in curve
    ]
    made: dict[str, Any] = {
        "device": "GPU",
        "cores": 16,
        "versions": {"helion": "1.5.0"},
        "process_seconds": seconds + 5,
        "points": points,
        "config": points[-1].config,
        "latency_ms": points[-1].latency_ms,
        "measuring_seconds": seconds / 2,
        "gpu_utilization": 0.25,
    }
    return Run(kernel, tuner, seed, seconds=seconds, **{**made, **fields})


def failed(kernel: str = "matmul", tuner: str = "ours", seed: int = 0) -> Run:
    return Run(kernel, tuner, seed, process_seconds=7.0, error="it fell\nfrom a tree")


def retiming(kernel: str, latencies: dict[str, float]) -> Retiming:
    """Makes a re-timing from latencies by name."""
    configs = [
        Retimed([name], {"name": name}, [latency * factor for factor in (0.9, 1.0, 1.1)], 0.001)
        for name, latency in latencies.items()
    ]
    return Retiming(kernel, "GPU", {}, configs)
