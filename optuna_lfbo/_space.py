"""Search space: Optuna distributions <-> rows of a numeric matrix.

A configuration is one row of positions, a column a parameter. The position on a finite
axis is the index of a grid point (a choice, an integer, a step), on a continuous axis the
unit coordinate itself. ``NaN`` is a parameter that a trial did not have.

Unit coordinates measure distance: 0 is the low end of an axis and 1 its high end, on the
axis' own scale (logarithmic where the distribution is).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array: TypeAlias = NDArray[np.float64]

_LONGEST_LISTED = 32
"""Values of longer axes are not told apart one by one: only their distance counts."""


@dataclass(frozen=True)
class Axis:
    """One parameter.

    Attributes:
        distribution: What Optuna knows of the parameter.
        size: Number of grid points, or None on a continuous axis.
        ordered: Whether neighbouring positions are alike. Choices that are all numbers are
            ordered by value, and two choices are ordered as well as any.
        order: On a categorical axis, the index of the choice at each position.
    """

    distribution: BaseDistribution
    size: int | None
    ordered: bool
    order: tuple[int, ...] = ()

    @property
    def is_listed(self) -> bool:
        """Whether its values are few enough to be told apart one by one."""
        return self.size is not None and self.size <= _LONGEST_LISTED

    @property
    def is_choice(self) -> bool:
        """Whether its values are the choices of a categorical, and more than one."""
        return len(self.order) > 1

    @cached_property
    def _rank(self) -> dict[int, int]:
        return {choice: position for position, choice in enumerate(self.order)}

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        """Both ends of the axis on its own scale."""
        d = self.distribution
        if not isinstance(d, IntDistribution | FloatDistribution):
            return 0.0, float(len(self.order) - 1)
        return (math.log(d.low), math.log(d.high)) if d.log else (float(d.low), float(d.high))

    def encode(self, value: Any) -> float:
        """Position of a parameter value; outside ``[0, size)`` if the range has changed."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return float(self._rank[int(d.to_internal_repr(value))])
        assert isinstance(d, IntDistribution | FloatDistribution)
        if self.size is None:
            return self._value_to_unit(float(value))
        if d.step is None:
            return 0.0
        return float(round((value - d.low) / d.step))

    def decode(self, position: float) -> Any:
        """Parameter value at a position, as the plain Python value that Optuna stores."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return d.choices[self.order[int(position)]]
        if isinstance(d, IntDistribution):
            return min(d.low + int(position) * d.step, d.high)
        assert isinstance(d, FloatDistribution)
        if self.size is not None:
            value = d.low + position * d.step if d.step is not None else d.low
        else:
            low, high = self._bounds
            value = low * (1.0 - position) + high * position
            value = math.exp(value) if d.log else value
        return float(min(max(value, d.low), d.high))

    def to_unit(self, positions: Array) -> Array:
        """Unit coordinates of positions, any shape."""
        if self.size is None:
            return positions
        if self.size == 1:
            return np.where(np.isnan(positions), np.nan, 0.5)
        d = self.distribution
        if isinstance(d, IntDistribution) and d.log:
            low, high = self._bounds
            values = np.maximum(d.low + positions * d.step, 0.5)
            return np.asarray((np.log(values) - low) / (high - low))
        return positions / (self.size - 1)

    def from_unit(self, units: Array) -> Array:
        """Positions nearest to unit coordinates, any shape; the inverse of `to_unit`."""
        units = np.clip(units, 0.0, 1.0)
        if self.size is None:
            return units
        positions = units * (self.size - 1)
        d = self.distribution
        if isinstance(d, IntDistribution) and d.log:
            low, high = self._bounds
            positions = np.exp(low + units * (high - low)) - d.low
        return np.clip(np.rint(positions), 0, self.size - 1)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """``n`` positions drawn from the prior that the distribution states."""
        d = self.distribution
        if self.size is not None and not (isinstance(d, IntDistribution) and d.log):
            return np.floor(rng.random(n) * self.size)
        return self.from_unit(rng.random(n))

    def _value_to_unit(self, value: float) -> float:
        d = self.distribution
        assert isinstance(d, FloatDistribution)
        low, high = self._bounds
        if d.log:
            value = math.log(value) if value > 0 else -math.inf
        # Halves keep the width finite when the range spans all floats.
        return (value / 2 - low / 2) / (high / 2 - low / 2)


def _make_axis(distribution: BaseDistribution) -> Axis:
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        numbers = [c for c in choices if type(c) in (int, float) and math.isfinite(c)]  # type: ignore[arg-type]
        indices = range(len(choices))
        if len(numbers) == len(choices):
            order = tuple(sorted(indices, key=lambda i: float(choices[i])))  # type: ignore[arg-type]
            return Axis(distribution, len(choices), True, order)
        return Axis(distribution, len(choices), len(choices) <= 2, tuple(indices))
    if isinstance(distribution, IntDistribution):
        size = (distribution.high - distribution.low) // distribution.step + 1
        return Axis(distribution, size, True)
    if isinstance(distribution, FloatDistribution):
        if distribution.single():
            return Axis(distribution, 1, True)
        if distribution.step is None:
            return Axis(distribution, None, True)
        size = round((distribution.high - distribution.low) / distribution.step) + 1
        return Axis(distribution, size, True)
    raise TypeError(f"unknown distribution {distribution!r}: expected float, int or categorical")


def is_value_of(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a parameter of this distribution may have this value."""
    # Optuna would take the text of a number for the number.
    if not isinstance(distribution, CategoricalDistribution) and not isinstance(value, Real):
        return False
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (OverflowError, ValueError):
        return False


class Space:
    """A search space of ``d`` parameters.

    Args:
        distributions: Name -> distribution, the order of the columns.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.distributions = dict(distributions)
        self.names = list(self.distributions)
        self.axes = [_make_axis(d) for d in self.distributions.values()]
        self._ends = np.array([1.0 if a.size is None else a.size - 1.0 for a in self.axes])

    @cached_property
    def n_points(self) -> int | None:
        """Number of configurations, or None where an axis is continuous."""
        sizes = [axis.size for axis in self.axes]
        return None if None in sizes else math.prod(s for s in sizes if s is not None)

    @cached_property
    def is_listed(self) -> bool:
        """Whether the values of every parameter are few enough to be told apart one by one."""
        return all(axis.is_listed for axis in self.axes)

    def encode(self, params: Mapping[str, Any]) -> Array:
        """Row of shape ``(d,)`` of a trial's parameters."""
        return np.array(
            [
                axis.encode(params[name]) if name in params else math.nan
                for name, axis in zip(self.names, self.axes, strict=True)
            ]
        )

    def decode(self, row: Array) -> dict[str, Any]:
        """Parameters of a row of shape ``(d,)`` without missing entries."""
        return {
            name: axis.decode(float(position))
            for name, axis, position in zip(self.names, self.axes, row, strict=True)
        }

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Random rows, shape ``(n, d)``."""
        return self._columns([axis.sample(rng, n) for axis in self.axes], n)

    def complete(self, rows: Array, rng: np.random.Generator) -> Array:
        """Rows inside today's ranges, missing entries drawn at random, shape as given."""
        drawn = self.sample(rng, len(rows))
        return np.where(np.isnan(rows), drawn, np.clip(rows, 0.0, self._ends))

    def contains(self, row: Array) -> bool:
        """Whether a row of shape ``(d,)`` has every parameter inside of its range."""
        return bool(((row >= 0.0) & (row <= self._ends)).all())

    def units(self, rows: Array) -> Array:
        """Unit coordinates of rows, shape as given."""
        columns = [axis.to_unit(rows[:, j]) for j, axis in enumerate(self.axes)]
        return self._columns(columns, len(rows))

    def features(self, rows: Array) -> Array:
        """What the classifier sees of rows, shape ``(n, n_features)``.

        An ordered axis is one column of unit coordinates, an unordered one a column a choice.
        """
        columns: list[Array] = []
        for j, axis in enumerate(self.axes):
            column = rows[:, j]
            if axis.ordered:
                columns.append(axis.to_unit(column))
            else:
                missing = np.isnan(column)
                for choice in range(len(axis.order)):
                    columns.append(np.where(missing, np.nan, column == choice))
        return self._columns(columns, len(rows))

    @cached_property
    def feature_periods(self) -> Array:
        """Distance after which a feature is the same again where the axis is bent to a circle.

        That is 1 on long and continuous axes; the others stay straight. Shape ``(n_features,)``.
        """
        periods: list[float] = []
        for axis in self.axes:
            if axis.ordered:
                periods.append(math.inf if axis.is_listed else 1.0)
            else:
                periods += [math.inf] * len(axis.order)
        return np.array(periods)

    def row_of_code(self, code: int) -> Array:
        """Row number ``code`` in ``[0, n_points)`` of a finite space, shape ``(d,)``."""
        row = np.empty(len(self.axes))
        for j, axis in enumerate(self.axes):
            assert axis.size is not None
            code, row[j] = divmod(code, axis.size)
        return row

    @staticmethod
    def _columns(columns: Sequence[Array], n: int) -> Array:
        return np.column_stack(columns) if columns else np.empty((n, 0))
