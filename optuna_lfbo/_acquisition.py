"""Scores candidates and picks diverse ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import log_ndtr

if TYPE_CHECKING:
    from optuna_lfbo._kernel import RankModel
    from optuna_lfbo._space import Array

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)
_LEAST_VARIANCE = 1e-9


def log_expected_improvement(mean: Array, variance: Array, best: float) -> Array:
    """Logarithm of the expected improvement below ``best``, shape as given.

    Ament et al., "Unexpected Improvements to Expected Improvement" (NeurIPS 2023), section 4:
    the logarithm still orders candidates where the improvement itself is rounded to zero.
    """
    deviation = np.sqrt(variance)
    u = (best - mean) / deviation
    log_density = -0.5 * u * u - _LOG_SQRT_2PI
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        above = np.logaddexp(log_density, np.log(u) + log_ndtr(u))
        # phi + u Phi = phi (1 + u Phi / phi), which tends to phi / u^2 far below.
        near = log_density + np.log1p(u * np.exp(log_ndtr(u) - log_density))
        far = log_density - 2.0 * np.log(np.abs(u))
    logs = np.select([u > 0.0, u > -8.0], [above, near], far)
    return np.asarray(logs + np.log(deviation))


def pick_batch(
    model: RankModel, pending: Array, candidates: Array, goal: float, n_picks: int
) -> list[int]:
    """Pick the candidates of largest expected improvement, one after the other.

    Pending trials and earlier picks count as if they had come out as predicted (the kriging
    believer of Ginsbourger et al., 2010): near them nothing more is to be learned.

    Args:
        model: Predicts the scores.
        pending: Rows of running trials, shape ``(p, d)``.
        candidates: Rows, at least one, shape ``(m, d)``.
        goal: Score to improve on; a pick that is better takes its place.
        n_picks: How many to pick, or all if there are fewer.

    Returns:
        Indices of candidates.
    """
    rows = np.concatenate([pending, candidates])
    mean, variance, factors = model.posterior(rows)

    def covariance(some: slice) -> Array:
        """Posterior covariance of some rows with all, shape ``(k, n)``."""
        return model.kernel(rows[some], rows) - factors[:, some].T @ factors

    n_pending, lowest = len(pending), goal
    # What is believed takes the sum of the squares of its column from a row's variance.
    steps = np.empty((0, len(rows)))
    if n_pending:
        of_pending = covariance(slice(n_pending))
        noisy = of_pending[:, :n_pending] + model.noise * np.eye(n_pending)
        steps = solve_triangular(np.linalg.cholesky(noisy), of_pending, lower=True)
        variance = np.maximum(variance - (steps**2).sum(axis=0), _LEAST_VARIANCE)
    picks: list[int] = []
    while True:
        value = log_expected_improvement(mean[n_pending:], variance[n_pending:], lowest)
        value[picks] = -np.inf
        picks.append(int(np.argmax(value)))
        if len(picks) == min(n_picks, len(candidates)):
            return picks
        i = n_pending + picks[-1]
        column = covariance(slice(i, i + 1))[0] - steps[:, i] @ steps
        steps = np.vstack([steps, column / np.sqrt(variance[i] + model.noise)])
        variance = np.maximum(variance - steps[-1] ** 2, _LEAST_VARIANCE)
        lowest = min(lowest, mean[i])


def farthest(candidates: Array, taken: Array, periods: Array) -> int:
    """Index of the candidate farthest from its nearest taken point (Mitchell's best candidate).

    An axis with a period is a circle: without ends, no corner is farther than the middle.

    Args:
        candidates: Features, shape ``(m, n_features)``.
        taken: Features, ``NaN`` where unknown, shape ``(p, n_features)``.
        periods: Distance after which a feature is the same again, or infinity. Shape
            ``(n_features,)``.
    """
    if len(taken) == 0:
        return 0
    gaps = np.abs(candidates[:, None, :] - taken[None, :, :])
    gaps = np.minimum(gaps, periods - gaps)
    return int(np.argmax(np.nansum(gaps, axis=2).min(axis=1)))
