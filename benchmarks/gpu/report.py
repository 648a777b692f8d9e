"""Markdown tables, from raw results alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks.gpu import measures, records
from benchmarks.gpu.measures import Results, geometric_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

DEFAULT_SEARCH = "lfbo_tree"
"""Helion's default search, which the others are compared with."""

NEEDED = ("ours", DEFAULT_SEARCH)

MISSING = "-"


def report(raw: Sequence[Path], retimed: Sequence[Path]) -> str:
    """Writes the summary, a table for each kernel, and what is missing.

    Args:
        raw: files of runs.
        retimed: files of re-timings.
    """
    runs = records.runs(raw)
    results = Results(runs, records.retimings(retimed))
    machines = {(run.device, run.cores, _text(run.versions)) for run in results.runs.values()}
    sections = [
        "\n".join(f"{device}, {cores} cores; {text}." for device, cores, text in sorted(machines)),
        _section("Summary", _SUMMARY_NOTE, _summary(results)),
        _section("At the wall-clock of `quick`", _QUICK_NOTE, _at_quick(results)),
        _section("Stopped", _STOPPED_NOTE, _stopped(results)),
        *(_section(f"`{kernel}`", None, _kernel(results, kernel)) for kernel in results.kernels),
        _section("Missing", None, _missing(results)),
    ]
    return "\n\n".join(section for section in sections if section)


_SUMMARY_NOTE = (
    "Geometric means over the kernels (their number in brackets) that both have finished with "
    "the same seed. Wall-clock counts from the call of the tuner, in a new process with empty "
    "caches; latencies are those of the winners, timed again side by side. Busy is the share "
    "of the wall-clock in which a candidate was launched or timed; GPU the share in which a "
    "kernel ran, as the driver tells."
)
_QUICK_NOTE = (
    "What `ours` would have returned when the `quick` search of the same seed returned, both "
    "timed again side by side."
)
_STOPPED_NOTE = (
    "Runs whose time was over before they had a winner: the best that they had measured by then, "
    "beside the winner of `ours` with the same seed, both timed again side by side."
)


def _section(title: str, note: str | None, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return "\n".join([f"## {title}", "", *([note, ""] if note else []), *lines])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Writes a table, or nothing if it has no rows."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    body = list(rows)
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *body)] if body else []


def _summary(results: Results) -> list[str]:
    header = ["tuner", "s", f"s / {DEFAULT_SEARCH}", "s / pattern", "configurations", "a second"]
    header += [f"latency / {DEFAULT_SEARCH}", "worst", "latency / default", "busy", "GPU"]
    return table(header, (_summary_row(results, tuner) for tuner in results.tuners))


def _summary_row(results: Results, tuner: str) -> list[str]:
    kernels = results.kernels

    def ratios(figure: measures.Figure, other: str) -> list[float]:
        found = (results.ratio(figure, kernel, tuner, other) for kernel in kernels)
        return [ratio for ratio in found if ratio is not None]

    def mean(figure: measures.Figure) -> float | None:
        return geometric_mean(results.mean(figure, kernel, tuner) for kernel in kernels)

    def share(figure: measures.Figure) -> float | None:
        shares = [results.share(figure, kernel, tuner) for kernel in kernels]
        known = [share for share in shares if share is not None]
        return math.fsum(known) / len(known) if known else None

    latencies = ratios(results.latency, DEFAULT_SEARCH)
    by_default = (_by_default(results, kernel, tuner) for kernel in kernels)
    return [
        f"`{tuner}`",
        _number(mean(measures.seconds), ".1f"),
        _counted(ratios(measures.seconds, DEFAULT_SEARCH)),
        _counted(ratios(measures.seconds, "pattern")),
        _number(mean(measures.n_configs), ".0f"),
        _number(mean(measures.steady_rate), ".1f"),
        _counted(latencies),
        _number(max(latencies, default=None), ".3f"),
        _counted([ratio for ratio in by_default if ratio is not None]),
        _number(share(measures.busy_share), ".0%"),
        _number(share(measures.utilization), ".0%"),
    ]


def _by_default(results: Results, kernel: str, tuner: str) -> float | None:
    latency, default = (
        results.mean(results.latency, kernel, tuner),
        results.default_latency(kernel),
    )
    return None if latency is None or default is None else latency / default


def _kernel(results: Results, kernel: str) -> list[str]:
    header = ["tuner", "seeds", "s", "with start", f"s / {DEFAULT_SEARCH}", "first, s"]
    header += [
        "configurations",
        "a second",
        "failed",
        "latency, ms",
        "spread",
        f"/ {DEFAULT_SEARCH}",
    ]
    header += ["within 5 %, s", "within 1 %, s", "busy", "GPU"]
    rows = [
        _kernel_row(results, kernel, tuner)
        for tuner in results.tuners
        if results.of(kernel, tuner)
    ]
    default = results.default_latency(kernel)
    if default is not None:
        rows.append(["Helion's default", *[""] * 8, f"{default:.5f}", *[""] * 6])
    return table(header, rows)


def _kernel_row(results: Results, kernel: str, tuner: str) -> list[str]:
    def mean(figure: measures.Figure, digits: str) -> str:
        return _number(results.mean(figure, kernel, tuner), digits)

    def ratio(figure: measures.Figure) -> str:
        return _number(results.ratio(figure, kernel, tuner, DEFAULT_SEARCH), ".3f")

    def share(figure: measures.Figure, digits: str) -> str:
        return _number(results.share(figure, kernel, tuner), digits)

    return [
        f"`{tuner}`",
        " ".join(str(run.seed) for run in results.of(kernel, tuner)),
        mean(measures.seconds, ".1f"),
        mean(measures.process_seconds, ".1f"),
        ratio(measures.seconds),
        mean(measures.first_result, ".1f"),
        mean(measures.n_configs, ".0f"),
        mean(measures.steady_rate, ".1f"),
        share(measures.failed_share, ".0%"),
        mean(results.latency, ".5f"),
        share(results.spread, ".1%"),
        ratio(results.latency),
        mean(_until(results, 0.05), ".1f"),
        mean(_until(results, 0.01), ".1f"),
        share(measures.busy_share, ".0%"),
        share(measures.utilization, ".0%"),
    ]


def _until(results: Results, excess: float) -> Callable[[records.Run], float | None]:
    return lambda run: results.seconds_until(run, excess)


def _at_quick(results: Results) -> list[str]:
    rows, ratios = [], []
    for quick in results.runs.values():
        ours = results.runs.get(quick.job._replace(tuner="ours"))
        if quick.tuner != "quick" or ours is None:
            continue
        theirs, latency = results.latency(quick), results.latency_by_quick(ours)
        ratio = None if theirs is None or latency is None else latency / theirs
        ratios.append(ratio)
        row = [f"`{quick.kernel}`", str(quick.seed), _number(quick.seconds, ".1f")]
        row += [_number(ours.seconds, ".1f"), _number(theirs, ".5f"), _number(latency, ".5f")]
        rows.append([*row, _number(ratio, ".3f")])
    if rows:
        rows.append(["geometric mean", *[""] * 5, _number(geometric_mean(ratios), ".3f")])
    header = ["kernel", "seed", "`quick`, s", "`ours`, s in all", "`quick`, ms", "`ours`, ms"]
    return table([*header, "ratio"], rows)


def _stopped(results: Results) -> list[str]:
    header = ["kernel", "tuner", "seed", "stopped after, s", "`ours`, s", "ms", "`ours`, ms"]
    rows = []
    for run in results.failed.values():
        ours = results.runs.get(run.job._replace(tuner="ours"))
        latency = results.latency_by_stop(run)
        if ours is None or latency is None:
            continue
        row = [f"`{run.kernel}`", f"`{run.tuner}`", str(run.seed), _number(run.seconds, ".1f")]
        winner = results.latency(ours)
        row += [_number(ours.seconds, ".1f"), _number(latency, ".5f"), _number(winner, ".5f")]
        ratio = None if winner is None else winner / latency
        rows.append([*row, _number(ratio, ".3f")])
    return table([*header, "ratio"], rows)


def _missing(results: Results) -> list[str]:
    lines = [f"- {run.job} failed: {_one_line(run.error)}" for run in results.failed.values()]
    lines += [
        f"- {name}: the winner was not timed: {_one_line(retimed.error)}"
        for name, retimed in results.retimed.items()
        if retimed.error is not None
    ]
    lines += [
        f"- {run.job} was not timed again."
        for run in results.runs.values()
        if str(run.job) not in results.retimed
    ]
    lines += [
        f"- {kernel} has no run of `{tuner}`."
        for kernel in results.kernels
        for tuner in dict.fromkeys((*NEEDED, *results.tuners))
        if not results.of(kernel, tuner)
    ]
    return lines


def _counted(ratios: Sequence[float]) -> str:
    mean = geometric_mean(ratios)
    return MISSING if mean is None else f"{mean:.3f} ({len(ratios)})"


def _number(value: float | None, digits: str) -> str:
    if value is None:
        return MISSING
    return format(value, digits) if math.isfinite(value) else "never"


def _text(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _one_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0][:200]
