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

_MOST_STAND_INS = 4
"""Values that stand for a missing one."""


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
    """Factor of an axis whose values are told apart."""

    bounds = (-6.0, 6.0)

    def __init__(self, axis: Axis) -> None:
        self._ordered = axis.ordered
        assert axis.size is not None
        positions = np.linspace(0, axis.size - 1, min(axis.size, _MOST_STAND_INS)).round()
        self._stand_ins = axis.to_unit(positions)

    def prior(self, d: int) -> float:
        relevance = min(0.9, 6.0 / d)
        return math.log(relevance / (1.0 - relevance))

    def pairs(self, a: Array, b: Array) -> Pairs:
        a, rows = np.unique(a, return_inverse=True)
        b, columns = np.unique(b, return_inverse=True)
        gaps = _Gaps.between(a, b, self._stand_ins)
        similarity = np.where(gaps.table < 1e-9, 1.0, 0.0)
        if self._ordered:
            similarity = 0.1 * similarity + 0.9 * np.exp(-gaps.table / _NEAR)
        return _ListedPairs(gaps.mixed(similarity), rows, columns)


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
    """Factor of an axis on which only distance counts."""

    bounds = (math.log(0.01), math.log(100.0))
    _stand_ins = (np.arange(_MOST_STAND_INS) + 0.5) / _MOST_STAND_INS

    def prior(self, d: int) -> float:
        return math.log(0.25 * math.sqrt(d))

    def pairs(self, a: Array, b: Array) -> Pairs:
        return _SmoothPairs(_Gaps.between(a, b, self._stand_ins))


class _SmoothPairs(NamedTuple):
    """Pairs on a smooth axis; the hyperparameter is the logarithm of the length scale."""

    gaps: _Gaps

    def value(self, theta: float) -> Array:
        """Matern 5/2."""
        s = self._scaled(theta)
        return self.gaps.mixed((1.0 + s * (1.0 + s / 3.0)) * np.exp(-s))

    def log_slope(self, theta: float) -> Array:
        s = self._scaled(theta)
        value, slope = 1.0 + s * (1.0 + s / 3.0), s * s * (1.0 + s) / 3.0
        if not self.gaps.any_missing:
            return slope / value
        decay = np.exp(-s)
        slope, value = self.gaps.mixed(slope * decay), self.gaps.mixed(value * decay)
        return slope / np.maximum(value, 1e-300)

    def _scaled(self, theta: float) -> Array:
        return self.gaps.table * (math.sqrt(5.0) * math.exp(-theta))


class _Gaps(NamedTuple):
    """Distances of ``n`` times ``m`` pairs of values on one axis, some of them missing.

    A missing value is a mixture of stand-ins from all over the axis, which keeps the kernel
    positive definite.

    Attributes:
        table: Distances, with a row and a column for each stand-in after those of the values,
            shape ``(n + k, m + l)``.
        missing_rows: Which values are missing, shape ``(n,)``.
        missing_columns: The same, shape ``(m,)``.
    """

    table: Array
    missing_rows: NDArray[np.bool_]
    missing_columns: NDArray[np.bool_]

    @classmethod
    def between(cls, a: Array, b: Array, stand_ins: Array) -> _Gaps:
        """Distances of unit coordinates of shapes ``(n,)`` and ``(m,)``."""
        missing = np.isnan(a), np.isnan(b)
        a, b = (
            np.concatenate([np.where(gone, 0.0, x), stand_ins]) if gone.any() else x
            for x, gone in zip((a, b), missing, strict=True)
        )
        return cls(np.abs(a[:, None] - b[None, :]), *missing)

    @property
    def any_missing(self) -> bool:
        return bool(self.missing_rows.any() or self.missing_columns.any())

    def mixed(self, table: Array) -> Array:
        """Entries of a table like this one for all pairs, shape ``(n, m)``; overwrites it."""
        n, m = len(self.missing_rows), len(self.missing_columns)
        if self.missing_rows.any():
            table[:n][self.missing_rows] = table[n:].mean(axis=0)
        if self.missing_columns.any():
            table[:, :m][:, self.missing_columns] = table[:, m:].mean(axis=1, keepdims=True)
        return table[:n, :m]
