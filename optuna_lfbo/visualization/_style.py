"""Colours, and numbers as they are shown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from optuna_lfbo._trials import finite_value, metric_of
from optuna_lfbo._view import ClassifierView
from optuna_lfbo.visualization._chart import Axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from optuna.trial import FrozenTrial

    from optuna_lfbo._trials import Metric

# Those of Okabe and Ito, "Color Universal Design" (2008), which differ for everybody.
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
RED: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
GREY: Final = "#7F7F7F"
LIGHT: Final = "#D0D0D0"
BLACK: Final = "#222222"
CYCLE: Final = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)

STATUS_COLOURS: Final = {
    "ok": GREEN,
    "duplicate": "#A5DBC8",
    "rejected": LIGHT,
    "compile_error": RED,
    "compile_timeout": "#F2B48C",
    "runtime_error": PURPLE,
    "benchmark_timeout": "#E8C4D8",
    "wrong_result": "#7A3B69",
    "complete": BLUE,
    "pruned": ORANGE,
    "fail": BLACK,
}
"""By the status of a trial, or its state where it has none; in the order of legends."""

# Light enough for points of any colour on top.
PROBABILITY_COLOURS: Final = ("#FFFFFF", "#C7E9C0", "#74C476")

_LEAST_DECADES = 0.7
_MOST_DIVIDED = 5


def rounded(number: float) -> float:
    """As many digits as a plot can show, for figures are kept in storages."""
    return float(f"{number:.6g}")


def value_axis(title: str, values: Sequence[float]) -> Axis:
    """The axis of values, which is logarithmic where they are of different magnitudes."""
    if not values or min(values) <= 0.0:
        return Axis(title)
    low, high = math.log10(min(values)), math.log10(max(values))
    if high - low < _LEAST_DECADES:
        return Axis(title)
    decades = range(math.floor(low), math.ceil(high) + 1)
    # Libraries leave out the digits of all but powers of ten.
    leading = (1, 2, 5) if len(decades) <= _MOST_DIVIDED else (1,)
    numbers = [digit * 10.0**decade for decade in decades for digit in leading]
    return Axis(title, log=True, ticks=[(number, f"{number:g}") for number in numbers])


def single_metric(study: optuna.Study) -> Metric:
    """What a study optimises.

    Raises:
        ValueError: It is more than one thing.
    """
    if len(study.directions) > 1:
        raise ValueError(
            f"The study {study.study_name!r} has {len(study.directions)} objectives; only "
            "studies of one objective can be plotted."
        )
    return metric_of(study)


def view_of(study: optuna.Study) -> ClassifierView:
    """The classifier of a study.

    Raises:
        ValueError: The study has several objectives.
    """
    single_metric(study)
    return ClassifierView(study)


def plotted_value(trial: FrozenTrial) -> float | None:
    """The value of a successful trial, None for others and for what no axis can hold."""
    value = finite_value(trial)
    return value if value is not None and abs(value) < 1e100 else None
