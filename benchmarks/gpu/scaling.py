"""One kernel tuned with several numbers of devices: how much faster it is found."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.gpu.kernels import DEVICE
from benchmarks.gpu.machine import cores, device_name, versions
from benchmarks.gpu.problems import PROBLEMS
from benchmarks.gpu.progress import say
from benchmarks.lines import as_line
from optuna_lfbo.helion import tune
from optuna_lfbo.helion._outcome import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import optuna

_FREE = ("duplicate", "rejected")
"""Statuses of trials that nothing was compiled for."""


@dataclass(frozen=True)
class Run:
    """One line of raw results.

    Attributes:
        kernel: name of the problem.
        n_devices: that it was tuned on.
        device: their name.
        cores: processor cores of the machine.
        versions: of the packages at work.
        seed: of the tuner.
        seconds: that the call took.
        stop_reason: why it ended.
        latency_ms: of the winner, from the final comparison.
        config: the winner.
        points: for each configuration the seconds since the call, the latency in milliseconds
            or null, its status and its worker.
    """

    kernel: str
    n_devices: int
    device: str
    cores: int
    versions: dict[str, str]
    seed: int
    seconds: float
    stop_reason: str
    latency_ms: float
    config: dict[str, Any]
    points: list[tuple[float, float | None, str, str]]

    @property
    def rate(self) -> float:
        """Configurations a second from when all workers were at work."""
        firsts: dict[str, float] = {}
        for seconds, _, _, worker in self.points:
            firsts.setdefault(worker, seconds)
        begun, end = max(firsts.values()), self.points[-1][0]
        n = sum(seconds > begun for seconds, *_ in self.points)
        return n / (end - begun) if end > begun else float("nan")

    def best_after(self, limit: float) -> float:
        """The best latency in milliseconds ``limit`` seconds after the call."""
        known = [latency for seconds, latency, *_ in self.points if latency and seconds <= limit]
        return min(known, default=float("nan"))


def scale(raw: Path, kernel: str, counts: Sequence[int], *, seconds: float, seed: int) -> str:
    """Tunes ``kernel`` on each number of devices and returns a table.

    Args:
        raw: file of raw results, appended to.
        kernel: name of a problem.
        counts: numbers of devices.
        seconds: after which no configuration is started.
        seed: of the tuner.
    """
    runs = []
    for n_devices in counts:
        say(f"{kernel} on {n_devices} device(s) for {seconds:.0f} s")
        run = run_one(kernel, n_devices, seconds, seed)
        with raw.open("a", encoding="utf-8") as file:
            file.write(as_line(asdict(run)) + "\n")
        runs.append(run)
    return table(runs)


def run_one(kernel: str, n_devices: int, seconds: float, seed: int) -> Run:
    """Tunes on ``n_devices`` in processes of their own, one as well as many."""
    problem = PROBLEMS[kernel]
    args = problem.args()
    devices = list(range(n_devices)) if DEVICE == "cuda" else ["cpu"] * n_devices
    started = time.time()
    result = tune(problem.kernel, args, devices=devices, seed=seed, timeout=seconds)
    took = time.time() - started
    points = points_of(result.study, started)
    return Run(
        kernel=kernel,
        n_devices=n_devices,
        device=device_name(),
        cores=cores(),
        versions=versions(),
        seed=seed,
        seconds=took,
        stop_reason=result.stop_reason,
        latency_ms=result.latency_ms,
        config=dict(result.config),
        points=points,
    )


def table(runs: Sequence[Run]) -> str:
    """The runs side by side, as Markdown; the first is what the others are compared with."""
    limit = min(run.points[-1][0] for run in runs)
    lines = [
        "| devices | configurations | a second | efficiency | first after, s "
        f"| best after {limit:.0f} s, ms | winner, ms | seconds | end |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    first = runs[0]
    for run in runs:
        efficiency = run.rate / first.rate / (run.n_devices / first.n_devices)
        lines.append(
            f"| {run.n_devices} | {len(run.points)} | {run.rate:.2f} | {efficiency:.2f} "
            f"| {run.points[0][0]:.1f} | {run.best_after(limit):.4g} | {run.latency_ms:.4g} "
            f"| {run.seconds:.0f} | {run.stop_reason} |"
        )
    lines.append(f"\n{first.kernel} on {first.device}, {first.cores} cores.")
    return "\n".join(lines)


def points_of(study: optuna.Study, started: float) -> list[tuple[float, float | None, str, str]]:
    """Seconds since ``started``, latency, status and worker of what has been measured."""
    points = {}
    # Backwards: who repeats a failure has its status, but not its time.
    for trial in reversed(study.trials):
        status = trial.user_attrs.get("status")
        if trial.datetime_complete is None or status is None or status in _FREE:
            continue
        seconds = trial.datetime_complete.timestamp() - started
        point = (seconds, trial.value, status, trial.user_attrs["worker"])
        points[key_of(trial.user_attrs["config"])] = point
    return sorted(points.values())
