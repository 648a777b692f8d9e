"""What the best trials have in common."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import StudyDirection

from optuna_lfbo._trials import metric_of
from optuna_lfbo.visualization._chart import Axis, Chart, Parallel
from optuna_lfbo.visualization._classifier import trial_text
from optuna_lfbo.visualization._history import NOTHING
from optuna_lfbo.visualization._style import plotted_value, rounded
from optuna_lfbo.visualization._units import short_name, ticks_of

if TYPE_CHECKING:
    from optuna_lfbo._space import Array
    from optuna_lfbo._view import ClassifierView

_MOST_AXES = 6
_SHARE = 10
_N_VALUE_TICKS = 5
_JITTER = 0.04
"""Share of an axis over which lines that would hide each other are spread."""


def best_tenth(view: ClassifierView) -> Chart:
    """The most important parameters of the best tenth of the successful trials."""
    metric = metric_of(view.study)
    best = _best(view)
    rows = view.rows[best]
    ranked = [view.space.names.index(name) for name in view.importances()]
    shown = [j for j in ranked if not np.isnan(rows[:, j]).any()][:_MOST_AXES]
    chart = Chart("Best tenth of the trials", Axis("Parameter"), Axis("Value of each parameter"))
    if not best or not shown:
        return dataclasses.replace(chart, message=NOTHING)
    values = np.array([plotted_value(view.trials[i]) for i in best], dtype=float)
    low, high = float(values.min()), float(values.max())
    columns = [view.space.axes[j].to_unit(rows[:, j]) for j in shown]
    rng = np.random.default_rng(0)
    spread = np.column_stack(columns) + _JITTER * (rng.random((len(best), len(shown))) - 0.5)
    lines = np.column_stack([np.clip(spread, 0.0, 1.0), _scaled(values, low, high)])
    axes = [
        Axis(short_name(view.space.names[j]), ticks=ticks_of(view.space.axes[j])) for j in shown
    ]
    parallel = Parallel(
        [*axes, Axis(metric.title, ticks=_value_ticks(low, high))],
        [[rounded(position) for position in line] for line in lines],
        [rounded(value) for value in values],
        metric.title,
        [trial_text(view.trials[i]) for i in best],
    )
    return dataclasses.replace(chart, marks=[parallel])


def _best(view: ClassifierView) -> list[int]:
    """Indices of the best tenth of the successful trials, the best first."""
    sign = -1.0 if view.study.direction == StudyDirection.MAXIMIZE else 1.0
    known = [
        (sign * value, i)
        for i, trial in enumerate(view.trials)
        if (value := plotted_value(trial)) is not None
    ]
    return [i for _, i in sorted(known)[: math.ceil(len(known) / _SHARE)]]


def _scaled(values: Array, low: float, high: float) -> Array:
    if high == low:
        return np.full(len(values), 0.5)
    return (values - low) / (high - low)


def _value_ticks(low: float, high: float) -> list[tuple[float, str]]:
    if high == low:
        return [(0.5, f"{low:.4g}")]
    shares = np.linspace(0.0, 1.0, _N_VALUE_TICKS)
    return [(float(share), f"{low + share * (high - low):.4g}") for share in shares]
