"""Where the classifier expects good trials."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from optuna_lfbo._trials import status_of
from optuna_lfbo.visualization._chart import Axis, Chart, Points, Tiles
from optuna_lfbo.visualization._style import (
    BLACK,
    BLUE,
    RED,
    plotted_value,
    rounded,
)
from optuna_lfbo.visualization._units import borders_of, grid_of, ticks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import FrozenTrial

    from optuna_lfbo._space import Array
    from optuna_lfbo._view import ClassifierView
    from optuna_lfbo.visualization._chart import Mark

_NOT_TELLING = "Good and bad trials are not both known yet."
_TOO_FEW = "The trials have fewer than two parameters in common."
_MOST_ROWS = 32
_JITTER = 0.5
"""Share of a tile over which the trials on it are spread, so that they do not hide each other."""


def good_probability(view: ClassifierView, params: Sequence[str] | None = None) -> Chart:
    """The classifier's probability over two parameters, with the trials on top.

    Raises:
        ValueError: ``params`` are not two parameters of finished trials.
    """
    title = "Probability of a good trial"
    names = _pair(view) if params is None else _checked(view, params)
    if not view.is_telling or len(names) < 2:
        message = _TOO_FEW if view.is_telling else _NOT_TELLING
        return Chart(title, Axis("First parameter"), Axis("Second parameter"), message=message)
    plane = _Plane(view, names)
    return Chart(title, plane.axis(0), plane.axis(1), [plane.tiles(), *plane.points()])


def _pair(view: ClassifierView) -> list[str]:
    """The two most important parameters that some trial has had together."""
    columns = dict(zip(view.space.names, view.rows.T, strict=True))
    for first, second in combinations(view.importances(), 2):
        if not np.isnan(columns[first] + columns[second]).all():
            return [first, second]
    return []


def _checked(view: ClassifierView, params: Sequence[str]) -> list[str]:
    names = list(params)
    if len(names) != 2 or names[0] == names[1] or not set(names) <= set(view.space.names):
        raise ValueError(
            f"params={params!r}: expected two of the parameters that finished trials have, "
            f"{', '.join(view.space.names) or 'of which there are none'}."
        )
    return names


class _Plane:
    """Two parameters of a study, in unit coordinates."""

    def __init__(self, view: ClassifierView, names: list[str]) -> None:
        self._view = view
        self._names = names
        self._columns = [view.space.names.index(name) for name in names]
        self._axes = [view.space.axes[j] for j in self._columns]
        self._grids = [grid_of(axis) for axis in self._axes]
        self._borders = [
            borders_of(axis.to_unit(grid))
            for axis, grid in zip(self._axes, self._grids, strict=True)
        ]

    def axis(self, i: int) -> Axis:
        """One of both axes, with values for ticks."""
        borders = self._borders[i]
        return Axis(
            self._names[i], ticks=ticks_of(self._axes[i]), limits=(borders[0], borders[-1])
        )

    def tiles(self) -> Tiles:
        """The probability, averaged over what else the good trials have."""
        first, second = self._columns
        rest = self._view.rows[self._view.labels.good][:_MOST_ROWS]
        x, y = np.meshgrid(*self._grids)
        rows = np.repeat(rest[None], x.size, axis=0)
        rows[:, :, first] = x.reshape(-1, 1)
        rows[:, :, second] = y.reshape(-1, 1)
        probability = self._view.probability(rows.reshape(-1, rows.shape[-1]))
        mean = probability.reshape(x.size, -1).mean(axis=1).reshape(x.shape)
        return Tiles("Probability", self._borders[0], self._borders[1], np.round(mean, 3).tolist())

    def points(self) -> list[Mark]:
        """The trials that have both parameters, the good ones in front."""
        rng = np.random.default_rng(0)
        x, y = (self._spread(i, rng) for i in range(2))
        there = ~np.isnan(x + y)
        good = self._view.labels.good
        succeeded = np.array([plotted_value(t) is not None for t in self._view.trials])
        kinds = (
            ("failed", there & ~succeeded, RED, "cross"),
            ("others", there & succeeded & ~good, BLACK, "open"),
            ("good", there & good, BLUE, "circle"),
        )
        return [
            Points(
                name,
                [rounded(value) for value in x[chosen]],
                [rounded(value) for value in y[chosen]],
                [trial_text(self._view.trials[i]) for i in np.flatnonzero(chosen)],
                colour,
                symbol,
            )
            for name, chosen, colour, symbol in kinds
            if chosen.any()
        ]

    def _spread(self, i: int, rng: np.random.Generator) -> Array:
        axis, column = self._axes[i], self._view.rows[:, self._columns[i]]
        width = 0.0 if axis.size is None else _JITTER / max(axis.size - 1, 1)
        units = axis.to_unit(column) + width * (rng.random(len(column)) - 0.5)
        clipped: Array = np.clip(units, self._borders[i][0], self._borders[i][-1])
        return clipped


def trial_text(trial: FrozenTrial) -> str:
    """What to say of a trial where it is pointed at."""
    value = plotted_value(trial)
    return f"trial {trial.number}: {status_of(trial) if value is None else f'{value:.4g}'}"
