"""Scores of runs, from raw results alone.

The runs of one sampler on one task are averaged over seeds first; the task is the independent
unit of everything that comes after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata, wilcoxon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.records import Record

    Array = NDArray[np.float64]

CHECKPOINTS = (25, 50, 100, 200, 300)
"""Numbers of evaluations at which runs are compared."""


def best_so_far(record: Record) -> Array:
    """Smallest value after each evaluation, infinite before any success. Shape (n_trials,).

    A search that ended early keeps its last best.
    """
    values = np.full(record.n_trials, np.inf)
    values[: len(record.values)] = np.nan_to_num(record.values, nan=np.inf)
    best: Array = np.minimum.accumulate(values)
    return best


def fraction_of_optimum(runs: Sequence[Record]) -> Array:
    """Optimum / best found, after each evaluation; 0 before any success. Shape (n_trials,)."""
    fractions = [run.reference.optimum / best_so_far(run) for run in runs]
    return _mean(fractions)


def regret(runs: Sequence[Record]) -> Array:
    """Distance from the optimum, after each evaluation. Shape (n_trials,).

    The unit is the distance of a random point's median. Before any success the best value is
    the worst there is.
    """
    return _mean(
        [
            (_objective(run) - run.reference.optimum)
            / (run.reference.median - run.reference.optimum)
            for run in runs
        ]
    )


def performance(runs: Sequence[Record], baseline: Sequence[Record]) -> Array:
    """Kernel Tuner's performance score after each evaluation. Shape (n_trials,).

    0 is random search and 1 the optimum: (F_random - F) / (F_random - F_optimum), where F is
    the best objective so far, averaged over runs. Its mean over evaluations is the score P of
    Willemsen et al., "A Methodology for Comparing Optimization Algorithms for Auto-Tuning"
    (FGCS 2024), with evaluations in the place of time.

    Args:
        runs: of one sampler on one task.
        baseline: of random search on the same task.
    """
    random = _mean([_objective(run) for run in baseline])
    mine = _mean([_objective(run) for run in runs])
    gap = random - runs[0].reference.optimum
    score: Array = (random - mine) / np.maximum(gap, np.finfo(float).tiny)
    return score


def _objective(run: Record) -> Array:
    objective: Array = np.minimum(best_so_far(run), run.reference.worst)
    return objective


def _mean(curves: Sequence[Array]) -> Array:
    mean: Array = np.mean(curves, axis=0)
    return mean


def average_ranks(scores: Array) -> Array:
    """Mean over tasks of each sampler's rank; 1 is best, and the highest score is best.

    Args:
        scores: shape (n_samplers, n_tasks).
    """
    ranks: Array = rankdata(-scores, axis=0).mean(axis=1)
    return ranks


def paired_tests(ours: Array, others: Array) -> Array:
    """Two-sided Wilcoxon signed-rank p-values, corrected by Holm's method. Shape (n_others,).

    Args:
        ours: one score a task, shape (n_tasks,).
        others: shape (n_others, n_tasks).
    """
    raw = np.array([1.0 if np.all(ours == o) else wilcoxon(ours, o).pvalue for o in others])
    order = np.argsort(raw)
    steps = raw[order] * np.arange(len(raw), 0, -1)
    corrected = np.empty(len(raw))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
