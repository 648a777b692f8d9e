"""A Gaussian process over the ranks of the trials: which of two configurations is better.

Like the labels of likelihood-free Bayesian optimization, ranks stay the same under any
monotone transformation of the values, and a failure is simply the worst. A rank is the label
averaged over all thresholds tau; its normal score is what the process regresses on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.stats import norm, rankdata

from optuna_lfbo._copies import originals
from optuna_lfbo._factors import make_factor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optuna_lfbo._factors import Pairs
    from optuna_lfbo._space import Array, Space

_LOG_NOISE = math.log(0.02)


class Posterior(NamedTuple):
    """Joint normal distribution of the scores of ``n`` rows.

    Attributes:
        mean: Shape ``(n,)``.
        variance: Shape ``(n,)``.
        factors: ``V`` of shape ``(m, n)``; the covariance is the kernel less ``V^T V``.
    """

    mean: Array
    variance: Array
    factors: Array


class RankModel:
    """Gaussian process with a product kernel, a factor a parameter.

    The factor of a listed axis (choices, few integers) is ``1 - a + a s``: its relevance
    ``a`` is learned, and ``s`` is 1 for equal values, and up to 0.9 for near ones where the
    axis is ordered. So a value that is bad wherever it was tried is found out from few trials,
    also where its neighbours are good. The factor of a long or continuous axis is a Matern
    5/2 kernel of learned length scale. Both kinds of parameter, and the noise, are chosen by
    maximum a posteriori.

    Args:
        space: Search space of ``d`` parameters.
        rows: Positions, ``NaN`` where a parameter is missing, shape ``(n, d)``.
        losses: Values to minimise, infinite for failures, shape ``(n,)``.
        start: Hyperparameters of an earlier model of the same space to start from.
        n_steps: Steps of the hyperparameter search.
    """

    def __init__(
        self, space: Space, rows: Array, losses: Array, start: Array | None, n_steps: int
    ) -> None:
        d = len(space.axes)
        self._space = space
        self._factors = [make_factor(axis) for axis in space.axes]
        self._units = space.units(rows)
        self._targets = _normal_scores(losses)
        self.best = float(self._targets.min())
        self._prior_mean = np.array([*(factor.prior(d) for factor in self._factors), _LOG_NOISE])
        self.hyperparameters = self._fit(self._prior_mean if start is None else start, n_steps)
        kernel = self._kernel_of_units(self._units, self._units)
        self._cholesky = np.linalg.cholesky(kernel + self.noise * np.eye(len(kernel)))
        self._alpha = cho_solve((self._cholesky, True), self._targets, check_finite=False)

    @property
    def noise(self) -> float:
        """Variance of a measurement."""
        return float(np.exp(self.hyperparameters[-1]))

    def kernel(self, a: Array, b: Array) -> Array:
        """Prior covariance of rows, shapes ``(n, d)`` and ``(m, d)``: shape ``(n, m)``."""
        return self._kernel_of_units(self._space.units(a), self._space.units(b))

    def posterior(self, rows: Array) -> Posterior:
        """Distribution of the scores of rows, shape ``(n, d)``; low is good."""
        cross = self._kernel_of_units(self._space.units(rows), self._units)
        factors = solve_triangular(self._cholesky, cross.T, lower=True, check_finite=False)
        variance = np.maximum(1.0 - (factors**2).sum(axis=0), 1e-9)
        return Posterior(cross @ self._alpha, variance, factors)

    def _kernel_of_units(self, a: Array, b: Array) -> Array:
        return self._product(self._pairs(a, b), self.hyperparameters, (len(a), len(b)))

    def _pairs(self, a: Array, b: Array) -> Iterator[Pairs]:
        """What each factor needs to know of the unit coordinates of two sets of rows."""
        for j, factor in enumerate(self._factors):
            yield factor.pairs(a[:, j], b[:, j])

    def _product(self, pairs: Iterable[Pairs], theta: Array, shape: tuple[int, int]) -> Array:
        product = np.ones(shape)
        for of_axis, t in zip(pairs, theta, strict=False):
            product *= of_axis.value(t)
        return product

    def _fit(self, start: Array, n_steps: int) -> Array:
        """Maximise the posterior of the hyperparameters."""
        bounds = [factor.bounds for factor in self._factors] + [(math.log(1e-4), 0.0)]
        result = minimize(
            self._loss_and_gradient,
            start,
            args=(list(self._pairs(self._units, self._units)),),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": n_steps},
        )
        return np.asarray(result.x)

    def _loss_and_gradient(self, theta: Array, pairs: list[Pairs]) -> tuple[float, Array]:
        """Negative log posterior of the hyperparameters, up to a constant."""
        n = len(self._targets)
        noise = math.exp(theta[-1])
        product = self._product(pairs, theta, (n, n))
        cholesky = np.linalg.cholesky(product + noise * np.eye(n))
        inverse = cho_solve((cholesky, True), np.eye(n), check_finite=False)
        alpha = inverse @ self._targets
        offset = theta - self._prior_mean
        loss = 0.5 * self._targets @ alpha + np.log(np.diag(cholesky)).sum()
        weight = 0.5 * (inverse - np.outer(alpha, alpha))
        weighted = weight * product
        slopes = [of_axis.log_slope(t) for of_axis, t in zip(pairs, theta, strict=False)]
        gradient = [*(np.vdot(weighted, slope) for slope in slopes), noise * np.trace(weight)]
        return float(loss + 0.5 * offset @ offset), np.array(gradient) + offset


def _normal_scores(losses: Array) -> Array:
    """Normal quantiles of the ranks, of mean 0 and variance 1 unless all are equal.

    Those of originals; a copy has its original's.
    """
    values = losses[originals(losses)]
    scores = norm.ppf((rankdata(values) - 0.5) / len(values))
    scores = (scores - scores.mean()) / max(float(scores.std()), 1e-9)
    order = np.argsort(values, kind="stable")
    return np.asarray(scores[order[np.searchsorted(values, losses, sorter=order)]])
