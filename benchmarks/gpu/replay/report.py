"""Markdown tables of replays."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from typing import TYPE_CHECKING

from benchmarks.gpu.measures import geometric_mean
from benchmarks.gpu.replay.machine import Costs
from benchmarks.gpu.replay.run import replays
from benchmarks.gpu.replay.variants import VARIANTS
from benchmarks.gpu.report import MISSING, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.gpu.replay.run import Replay

BASE = "full"
LONG = "endless"
MOMENTS = (30, 45, 60)
"""Seconds since the call."""


def report(paths: Sequence[Path]) -> str:
    """Writes what each variant took and found, and what other patiences would have.

    Args:
        paths: files of replays.

    Raises:
        ValueError: They hold none.
    """
    found = replays(paths)
    if not found:
        raise ValueError("The files have no replay.")
    costs = ", ".join(f"{name} {value:g}" for name, value in dataclasses.asdict(Costs()).items())
    sections = [f"Costs: {costs}."]
    for kernel in dict.fromkeys(replay.kernel for replay in found):
        mine = [replay for replay in found if replay.kernel == kernel]
        best_ms = min(latency for replay in mine for _, _, latency in replay.best)
        sections += [
            f"## `{kernel}`, best known {best_ms:.4f} ms",
            "\n".join(_ablation(mine, best_ms)),
            "\n".join(_patience(mine)),
        ]
    return "\n\n".join(sections)


def _ablation(found: Sequence[Replay], best_ms: float) -> list[str]:
    header = ["variant", "seeds", "s", "measured", "a second", "latency, ms", f"/ {BASE}"]
    header += [f"after {seconds} s, ms" for seconds in MOMENTS]
    header += ["within 5 %, s", "within 1 %, s", "busy", "asking"]
    return table(header, (_row(found, name, best_ms) for name in VARIANTS if _of(found, name)))


def _row(found: Sequence[Replay], name: str, best_ms: float) -> list[str]:
    mine = _of(found, name)

    def mean(figure: Callable[[Replay], float], digits: str) -> str:
        value = statistics.fmean(map(figure, mine))
        return format(value, digits) if math.isfinite(value) else MISSING

    return [
        VARIANTS[name].meaning,
        str(len(mine)),
        mean(lambda replay: replay.seconds, ".1f"),
        mean(lambda replay: replay.n_measured, ".0f"),
        mean(_rate, ".1f"),
        mean(lambda replay: replay.latency_ms, ".4f"),
        _ratio(mine, _of(found, BASE)),
        *(mean(functools.partial(_best_at, seconds=moment), ".4f") for moment in MOMENTS),
        _until(mine, 1.05 * best_ms),
        _until(mine, 1.01 * best_ms),
        mean(lambda replay: replay.busy_share, ".0%"),
        mean(lambda replay: replay.asking_share, ".0%"),
    ]


def _rate(replay: Replay) -> float:
    """Configurations a second between the start and the final comparison."""
    return replay.n_measured / (replay.seconds - replay.final_seconds - Costs().start_s)


def _best_at(replay: Replay, seconds: float) -> float:
    """The lowest latency that had been measured; infinite before any was."""
    known = [latency for at, _, latency in replay.best if at <= seconds]
    return min(known, default=math.inf)


def _of(found: Sequence[Replay], name: str) -> list[Replay]:
    return [replay for replay in found if replay.variant == name]


def _ratio(mine: Sequence[Replay], others: Sequence[Replay]) -> str:
    """The geometric mean of the winners' latencies, over the seeds of both."""
    theirs = {replay.seed: replay.latency_ms for replay in others}
    pairs = [replay.latency_ms / theirs[replay.seed] for replay in mine if replay.seed in theirs]
    mean = geometric_mean(pairs)
    return MISSING if mean is None else f"{mean:.3f}"


def _until(found: Sequence[Replay], latency_ms: float) -> str:
    """The median of the seconds of those that got there, and how many did."""
    times = [
        next(seconds for seconds, _, latency in replay.best if latency <= latency_ms)
        for replay in found
        if replay.best[-1][2] <= latency_ms
    ]
    return f"{statistics.median(times):.1f} ({len(times)} of {len(found)})" if times else "never"


def _patience(found: Sequence[Replay]) -> list[str]:
    """Where the long runs would have ended, beside the tuner itself and their own end."""
    long = _of(found, LONG)
    lengths = sorted({factor for replay in long for factor, *_ in replay.stops})
    rows = [
        _end_row(f"cut at {factor:g} of the patience", [_cut(r, factor) for r in long], long)
        for factor in lengths
    ]
    rows.append(_end_row("the tuner", _of(found, BASE), long))
    rows.append(_end_row("three times the trials", long, long))
    header = ["end", "seeds", "s", "measured", "latency, ms", "/ the longest", "worst"]
    return table(header, rows) if long else []


def _end_row(name: str, ends: Sequence[Replay], long: Sequence[Replay]) -> list[str]:
    last = {replay.seed: replay.latency_ms for replay in long}
    ratios = [end.latency_ms / last[end.seed] for end in ends if end.seed in last]
    return [
        name,
        str(len(ends)),
        f"{statistics.fmean(end.seconds for end in ends):.1f}" if ends else MISSING,
        f"{statistics.fmean(end.n_measured for end in ends):.0f}" if ends else MISSING,
        f"{statistics.fmean(end.latency_ms for end in ends):.4f}" if ends else MISSING,
        f"{geometric_mean(ratios):.3f}" if ratios else MISSING,
        f"{max(ratios):.3f}" if ratios else MISSING,
    ]


def _cut(replay: Replay, factor: float) -> Replay:
    """A long run, ended when patience was at its end; as it is if that never was."""
    for known, seconds, n, latency_ms in replay.stops:
        if known == factor:
            seconds += replay.final_seconds
            return dataclasses.replace(
                replay, seconds=seconds, n_measured=int(n), latency_ms=latency_ms
            )
    return replay
