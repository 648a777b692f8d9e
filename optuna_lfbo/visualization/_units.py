"""Axes of parameters in unit coordinates, on which every kind of parameter can be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optuna_lfbo._text import one_line

if TYPE_CHECKING:
    from optuna_lfbo._space import Array, Axis

_MOST_POINTS = 16
_MOST_TICKS = 9
_LONGEST_LABEL = 24
_LONGEST_NAME = 20


def grid_of(axis: Axis, most: int = _MOST_POINTS) -> Array:
    """All positions on a short axis, else as many as that, spread evenly."""
    if axis.size is not None and axis.size <= most:
        return np.arange(axis.size, dtype=float)
    return np.unique(axis.from_unit(np.linspace(0.0, 1.0, most)))


def borders_of(units: Array) -> list[float]:
    """Where the tiles around sorted unit coordinates end, one more than there are."""
    if len(units) == 1:
        return [float(units[0]) - 0.5, float(units[0]) + 0.5]
    between = (units[1:] + units[:-1]) / 2
    first, last = 2 * units[0] - between[0], 2 * units[-1] - between[-1]
    return [float(border) for border in (first, *between, last)]


def ticks_of(axis: Axis) -> list[tuple[float, str]]:
    """Unit coordinates and the values there."""
    grid = grid_of(axis, _MOST_TICKS)
    labels = [_label(axis.decode(position)) for position in grid]
    units = axis.to_unit(grid)
    return [(float(unit), label) for unit, label in zip(units, labels, strict=True)]


def short_name(name: str) -> str:
    """A parameter's name without its middle, where names stand close to each other."""
    line = one_line(name)
    if len(line) <= _LONGEST_NAME:
        return line
    n_last = _LONGEST_NAME // 2
    return f"{line[: _LONGEST_NAME - n_last - 1]}…{line[-n_last:]}"


def _label(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return one_line(text, _LONGEST_LABEL)
