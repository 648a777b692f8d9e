"""Markdown tables and plots, from raw results alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks import records, scores
from benchmarks.comparison import Comparison, best_variants, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.records import Record

SECTIONS = {
    "GPU kernels, both encodings": ("kernel/", ""),
    "GPU kernels, values as index ints": ("kernel/", "/int"),
    "GPU kernels, values as categoricals": ("kernel/", "/cat"),
    "GPU kernels, constraints known": ("known/", ""),
    "Hyperparameter optimization": ("hpo/", ""),
    "Continuous functions": ("continuous/", ""),
    "Conditional space": ("conditional/", ""),
    "GPU kernel, by a surrogate": ("surrogate/", ""),
}
"""Beginning and end of the task names of each section."""

MIN_TASKS = 5
"""A Wilcoxon test of fewer pairs cannot fall below 0.05."""


def report(
    raw: Sequence[Path], ours: str, *, variants: bool = False, plots: Path | None = None
) -> str:
    """Writes one section a kind of task.

    Args:
        raw: files of raw results.
        ours: the sampler that the others are tested against.
        variants: show every variant of every sampler instead of each one's best.
        plots: folder for one plot a section.
    """
    found = list(records.load(raw))
    sections = []
    for title, ends in SECTIONS.items():
        chosen = [r for r in found if r.task.startswith(ends[0]) and r.task.endswith(ends[1])]
        if not chosen:
            continue
        comparison = compare(title, chosen, ours)
        if not variants:
            comparison = best_variants(comparison, ours)
        sections.append(_section(comparison, ours))
        if plots:
            from benchmarks.plots import plot

            sections.append(f"![{title}]({plot(comparison, plots)})")
    return "\n\n".join(sections)


def _section(comparison: Comparison, ours: str) -> str:
    by_ratio = comparison.by_ratio
    lines = [
        f"## {comparison.title}",
        "",
        ("Fraction of the optimum" if by_ratio else "Normalised regret")
        + f" after so many evaluations, averaged over {len(comparison.tasks)} tasks.",
        "",
        *_table(comparison, ours),
    ]
    if comparison.left_out:
        lines += ["", f"Left out, for want of results: {', '.join(comparison.left_out)}."]
    return "\n".join(lines)


def _table(comparison: Comparison, ours: str) -> list[str]:
    samplers = comparison.samplers
    all_scores = np.array([comparison.scores[sampler] for sampler in samplers])
    ranks = scores.average_ranks(all_scores)
    tests = _tests(comparison, ours)
    curves = {sampler: comparison.curves(sampler).mean(axis=0) for sampler in samplers}
    checkpoints = [n for n in scores.CHECKPOINTS if n <= len(curves[samplers[0]])]
    digits = ".3f" if comparison.by_ratio else ".2g"
    header = ["sampler", "seeds", "used", *map(str, checkpoints), _score_name(comparison), "rank"]
    rows = [header + (["p", "matched after"] if tests else [])]
    rows.append(["---", *["---:"] * (len(rows[0]) - 1)])
    for sampler, score, rank in zip(samplers, all_scores, ranks, strict=True):
        row = [f"`{sampler}`", _n_seeds(comparison, sampler), _used(comparison, sampler)]
        row += [format(curves[sampler][n - 1], digits) for n in checkpoints]
        row += [format(score.mean() if comparison.by_ratio else -score.mean(), ".3f")]
        row.append(format(rank, ".2f"))
        if tests:
            row += [tests.get(sampler, ""), _matched(comparison, curves[ours], curves[sampler])]
        rows.append(row)
    return ["| " + " | ".join(row) + " |" for row in rows]


def _score_name(comparison: Comparison) -> str:
    return "P" if comparison.by_ratio and comparison.baseline else "mean"


def _tests(comparison: Comparison, ours: str) -> dict[str, str]:
    """Corrected p-value of each other sampler, with the sign of our advantage."""
    others = [sampler for sampler in comparison.samplers if sampler != ours]
    if ours not in comparison.runs or not others:
        return {}
    mine = comparison.scores[ours]
    rest = np.array([comparison.scores[sampler] for sampler in others])
    if len(comparison.tasks) < MIN_TASKS:
        return dict.fromkeys(others, "")
    signs = np.where(rest.mean(axis=1) < mine.mean(), "+", "-")
    return {
        sampler: f"{sign}{p:.2g}"
        for sampler, sign, p in zip(others, signs, scores.paired_tests(mine, rest), strict=True)
    }


def _matched(comparison: Comparison, mine: scores.Array, other: scores.Array) -> str:
    """Evaluations after which our mean curve reaches where another one ends."""
    reached = mine >= other[-1] if comparison.by_ratio else mine <= other[-1]
    return str(int(reached.argmax()) + 1) if reached.any() else "-"


def _n_seeds(comparison: Comparison, sampler: str) -> str:
    counts = {len(runs) for runs in comparison.runs[sampler].values()}
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"


def _used(comparison: Comparison, sampler: str) -> str:
    """Mean number of evaluations; a search that ends by itself leaves some of the budget."""
    return f"{np.mean([len(run.values) for run in _all(comparison, sampler)]):.0f}"


def _all(comparison: Comparison, sampler: str) -> Iterable[Record]:
    return (run for runs in comparison.runs[sampler].values() for run in runs)
