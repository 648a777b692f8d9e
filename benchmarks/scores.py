"""Scores of runs, from raw results alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.records import Record

CHECKPOINTS = (25, 50, 100, 200, 300)
"""Numbers of evaluations at which runs are compared."""


def best_so_far(record: Record) -> NDArray[np.float64]:
    """Smallest value after each evaluation, infinite before any success. Shape (n_trials,).

    A search that ended early keeps its last best.
    """
    values = np.full(record.n_trials, np.inf)
    values[: len(record.values)] = np.nan_to_num(record.values, nan=np.inf)
    best: NDArray[np.float64] = np.minimum.accumulate(values)
    return best


def fraction_of_optimum(record: Record) -> NDArray[np.float64]:
    """Optimum / best found, after each evaluation; 0 before any success. Shape (n_trials,)."""
    fraction: NDArray[np.float64] = record.reference.optimum / best_so_far(record)
    return fraction
