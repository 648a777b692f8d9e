"""Plots of studies, as those of `optuna.visualization` are made and used.

Every function returns a plotly figure; :mod:`optuna_lfbo.visualization.matplotlib` has its
twin. A study without what a plot shows gives an empty plot that says so.
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
    import plotly.graph_objects as go

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


def plot_best_so_far(study: optuna.Study, *, against: Against = "time") -> go.Figure:
    """Plot the best value so far, all values, and the latencies of the default and the seeds.

    Args:
        study: A study of one objective.
        against: "time" for the time spent tuning, without pauses of more than a minute
            between trials, or "trials" for the number of the trial.

    Raises:
        ValueError: ``against`` is neither, or the study has several objectives.
        ImportError: plotly is missing.
    """
    return _drawn(best_so_far(study, against))


def plot_outcomes(study: optuna.Study) -> go.Figure:
    """Plot how many trials ended how, in equal spans of the time spent tuning.

    Args:
        study: Any study; trials without a ``status`` count by their state.

    Raises:
        ImportError: plotly is missing.
    """
    return _drawn(outcomes(study))


def plot_time_spent(study: optuna.Study) -> go.Figure:
    """Plot where the time went: measuring, idle, compiling, and asking the sampler.

    Compiling processes work side by side, so that their seconds may be more than the device's.
    For trials that do not measure a kernel it is how long those of each state ran.

    Args:
        study: Any study.

    Raises:
        ImportError: plotly is missing.
    """
    return _drawn(time_spent(study))


def plot_good_probability(
    study: optuna.Study, *, params: Sequence[str] | None = None
) -> go.Figure:
    """Plot where the classifier of `LFBOSampler` expects good trials.

    The probability of being among the best quarter, if good and bad ones were as frequent,
    averaged over what other parameters the good trials have. Trials on the same point are
    spread a little.

    Args:
        study: A study of one objective.
        params: Two parameters; by default those to which `LFBOImportanceEvaluator` gives the
            greatest importance.

    Raises:
        ValueError: ``params`` are not two parameters of finished trials, or the study has
            several objectives.
        ImportError: plotly is missing.
    """
    return _drawn(good_probability(view_of(study), params))


def plot_best_tenth(study: optuna.Study) -> go.Figure:
    """Plot the parameters of the best tenth of the successful trials as parallel coordinates.

    Args:
        study: A study of one objective. The eight parameters that `LFBOImportanceEvaluator`
            gives the greatest importance are shown, the greatest first.

    Raises:
        ValueError: The study has several objectives.
        ImportError: plotly is missing.
    """
    return _drawn(best_tenth(view_of(study)))


def plot_comparison(
    studies: Studies, *, against: Against = "trials", speed_up: bool = False
) -> go.Figure:
    """Plot the best value so far of several studies.

    Args:
        studies: Studies of one objective each, or a mapping from names to them; without names
            they go by their study names.
        against: As in :func:`plot_best_so_far`.
        speed_up: Whether to plot how many times faster than the default each is, so that
            kernels compare; studies without the default's latency are left out then.

    Raises:
        ValueError: ``against`` is unknown, a study has several objectives, or some are
            minimised and others maximised.
        ImportError: plotly is missing.
    """
    return _drawn(comparison(studies, against, speed_up))


def _drawn(chart: Chart) -> go.Figure:
    try:
        from optuna_lfbo.visualization._plotly import figure_of
    except ImportError as error:
        raise ImportError(
            'Plots need plotly; install it with: pip install "optuna_lfbo[dashboard]"'
        ) from error
    return figure_of(chart)
