"""Scores candidates and picks diverse ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optuna_lfbo._space import Array


def pick_diverse(
    scores: Array,
    leaves: NDArray[np.int64],
    pending_leaves: NDArray[np.int64],
    n: int,
    similarity_penalty: float,
) -> list[int]:
    """Greedily pick the candidates of highest score that share few leaves with earlier picks.

    Helion's ``LFBOPatternSearch`` subtracts the same penalty: the similarity of two
    configurations is the share of trees that put them into one leaf.

    Args:
        scores: Acquisition of the candidates, shape ``(m,)``.
        leaves: Leaf of every tree, shape ``(m, n_trees)``.
        pending_leaves: The same for running trials, shape ``(p, n_trees)``.
        n: How many to pick at most.
        similarity_penalty: What full similarity to all picks and pending trials costs.

    Returns:
        Indices of at most ``n`` candidates, the best first.
    """
    available = np.ones(len(scores), dtype=bool)
    similarity = np.zeros(len(scores))
    for pending in pending_leaves:
        similarity += (leaves == pending).mean(axis=1)
    picks: list[int] = []
    while len(picks) < min(n, len(scores)):
        n_kept_apart = max(len(picks) + len(pending_leaves), 1)
        value = scores - similarity_penalty * similarity / n_kept_apart
        best = int(np.argmax(np.where(available, value, -np.inf)))
        picks.append(best)
        available[best] = False
        similarity += (leaves == leaves[best]).mean(axis=1)
    return picks


def farthest(candidates: Array, taken: Array) -> int:
    """Index of the candidate farthest from its nearest taken point (Mitchell's best candidate).

    Args:
        candidates: Features, shape ``(m, n_features)``.
        taken: Features, ``NaN`` where unknown, shape ``(p, n_features)``.
    """
    if len(taken) == 0:
        return 0
    gaps = np.abs(candidates[:, None, :] - taken[None, :, :])
    return int(np.argmax(np.nansum(gaps, axis=2).min(axis=1)))
