"""The plots of :mod:`optuna_lfbo.visualization`, drawn with Matplotlib.

Every function takes what its namesake there takes and returns the axes of a new figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_lfbo.visualization._best import best_tenth
from optuna_lfbo.visualization._classifier import good_probability
from optuna_lfbo.visualization._effort import outcomes, time_spent
from optuna_lfbo.visualization._history import best_so_far, comparison
from optuna_lfbo.visualization._style import view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from matplotlib.axes import Axes

    from optuna_lfbo.visualization._chart import Chart
    from optuna_lfbo.visualization._history import Against, Studies

__all__ = [
    "plot_best_so_far",
    "plot_best_tenth",
    "plot_comparison",
    "plot_good_probability",
    "plot_outcomes",
    "plot_time_spent",
]


def plot_best_so_far(study: optuna.Study, *, against: Against = "time") -> Axes:
    """The twin of :func:`optuna_lfbo.visualization.plot_best_so_far`."""
    return _drawn(best_so_far(study, against))


def plot_outcomes(study: optuna.Study) -> Axes:
    """The twin of :func:`optuna_lfbo.visualization.plot_outcomes`."""
    return _drawn(outcomes(study))


def plot_time_spent(study: optuna.Study) -> Axes:
    """The twin of :func:`optuna_lfbo.visualization.plot_time_spent`."""
    return _drawn(time_spent(study))


def plot_good_probability(study: optuna.Study, *, params: Sequence[str] | None = None) -> Axes:
    """The twin of :func:`optuna_lfbo.visualization.plot_good_probability`."""
    return _drawn(good_probability(view_of(study), params))


def plot_best_tenth(study: optuna.Study) -> Axes:
    """The twin of :func:`optuna_lfbo.visualization.plot_best_tenth`."""
    return _drawn(best_tenth(view_of(study)))


def plot_comparison(
    studies: Studies, *, against: Against = "trials", speed_up: bool = False
) -> Axes:
    """The twin of :func:`optuna_lfbo.visualization.plot_comparison`."""
    return _drawn(comparison(studies, against, speed_up))


def _drawn(chart: Chart) -> Axes:
    try:
        from optuna_lfbo.visualization._matplotlib import axes_of
    except ImportError as error:
        raise ImportError(
            "These plots need Matplotlib; install it with: pip install matplotlib"
        ) from error
    return axes_of(chart)
