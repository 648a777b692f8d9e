"""Factors of the kernel: how alike two values of one parameter are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optuna_lfbo._space import Array, Axis

_NEAR = 0.6
"""Distance, as a share of a listed axis, over which values are alike."""

_ASIDE = 0.5
"""Distance of a missing value from the middle of a smooth axis, square to the axis."""


class Pairs(Protocol):
    """What a factor needs to know of ``n`` times ``m`` pairs of values on one axis."""

    def value(self, theta: float) -> Array:
        """The factor for a hyperparameter, shape ``(n, m)``."""

    def log_slope(self, theta: float) -> Array:
        """Derivative of the factor's logarithm for the hyperparameter, shape ``(n, m)``."""


class Factor(Protocol):
    """The factor of one axis."""

    bounds: tuple[float, float]

    def prior(self, d: int) -> float:
        """Prior mean of the hyperparameter in a space of ``d`` parameters."""

    def pairs(self, a: Array, b: Array) -> Pairs:
        """Pairs of unit coordinates, ``NaN`` where missing, of shapes ``(n,)`` and ``(m,)``."""


def make_factor(axis: Axis) -> Factor:
    """Factor of an axis."""
    return _Listed(axis) if axis.is_listed else _Smooth()


class _Listed:
    """Factor of an axis whose values are told apart; a missing one is a value, too."""

    bounds = (-6.0, 6.0)

    def __init__(self, axis: Axis) -> None:
        self._ordered = axis.ordered

    def prior(self, d: int) -> float:
        relevance = min(0.9, 6.0 / d)
        return math.log(relevance / (1.0 - relevance))

    def pairs(self, a: Array, b: Array) -> Pairs:
        a, rows = np.unique(a, return_inverse=True)
        b, columns = np.unique(b, return_inverse=True)
        gaps = np.abs(a[:, None] - b[None, :])
        similarity = np.where(gaps < 1e-9, 1.0, 0.0)
        if self._ordered:
            similarity = 0.1 * similarity + 0.9 * np.exp(-gaps / _NEAR)
        both_missing = np.isnan(a)[:, None] & np.isnan(b)[None, :]
        similarity[np.isnan(gaps)] = 0.0
        similarity[both_missing] = 1.0
        return _ListedPairs(similarity, rows, columns)


class _ListedPairs(NamedTuple):
    """Pairs on a listed axis; the hyperparameter is the logit of the relevance.

    Attributes:
        table: Similarities of the distinct values among them, between 0 and 1.
        rows: Index into the table for each of the ``n`` values.
        columns: The same for the ``m`` values.
    """

    table: Array
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def value(self, theta: float) -> Array:
        return self._spread(1.0 - expit(theta) * (1.0 - self.table))

    def log_slope(self, theta: float) -> Array:
        relevance = expit(theta)
        slope = relevance * (1.0 - relevance) * (self.table - 1.0)
        return self._spread(slope / (1.0 - relevance * (1.0 - self.table)))

    def _spread(self, table: Array) -> Array:
        return table.take(self.rows, axis=0).take(self.columns, axis=1)


class _Smooth:
    """Factor of an axis on which only distance counts; a missing value lies beside the axis."""

    bounds = (math.log(0.01), math.log(100.0))

    def prior(self, d: int) -> float:
        return math.log(0.25 * math.sqrt(d))

    def pairs(self, a: Array, b: Array) -> Pairs:
        beside = np.isnan(a)[:, None] != np.isnan(b)[None, :]
        a, b = (np.where(np.isnan(x), 0.5, x) for x in (a, b))
        gaps = np.abs(a[:, None] - b[None, :])
        return _SmoothPairs(np.hypot(gaps, _ASIDE * beside) if beside.any() else gaps)


class _SmoothPairs(NamedTuple):
    """Pairs on a smooth axis; the hyperparameter is the logarithm of the length scale.

    Attributes:
        gaps: Distances, shape ``(n, m)``.
    """

    gaps: Array

    def value(self, theta: float) -> Array:
        """Matern 5/2."""
        s = self._scaled(theta)
        return np.asarray((1.0 + s * (1.0 + s / 3.0)) * np.exp(-s))

    def log_slope(self, theta: float) -> Array:
        s = self._scaled(theta)
        return np.asarray(s * s * (1.0 + s) / (3.0 + s * (3.0 + s)))

    def _scaled(self, theta: float) -> Array:
        return self.gaps * (math.sqrt(5.0) * math.exp(-theta))
