"""The best so far, of one study or of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import optuna
from optuna.study import StudyDirection

from optuna_lfbo._trials import status_of
from optuna_lfbo._winner import default_latency
from optuna_lfbo.visualization._chart import Axis, Chart, Levels, Points, Steps
from optuna_lfbo.visualization._clock import Clock
from optuna_lfbo.visualization._style import (
    BLACK,
    BLUE,
    CYCLE,
    LIGHT,
    ORANGE,
    RED,
    plotted_value,
    rounded,
    single_metric,
    value_axis,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import FrozenTrial

    from optuna_lfbo.visualization._chart import Mark

Against: TypeAlias = Literal["time", "trials"]
Studies: TypeAlias = "Sequence[optuna.Study] | Mapping[str, optuna.Study]"

NOTHING: Final = "No trial has succeeded yet."

_logger = optuna.logging.get_logger("optuna.lfbo")


@dataclass(frozen=True)
class _Course:
    """The successful trials of a study in the order in which their values were known.

    Attributes:
        x: When they were known.
        values: The values.
        best: The best of the values until then.
        trials: The trials.
        end: When the last trial of all ended.
    """

    x: list[float]
    values: list[float]
    best: list[float]
    trials: list[FrozenTrial]
    end: float

    @property
    def steps(self) -> tuple[list[float], list[float]]:
        """Where the best changes, and the end."""
        x: list[float] = []
        y: list[float] = []
        for at, best in zip(self.x, self.best, strict=True):
            if not y or best != y[-1]:
                x.append(at)
                y.append(best)
        return ([*x, self.end], [*y, y[-1]]) if y else ([], [])


def _course(study: optuna.Study, against: Against, unit_s: float) -> _Course:
    finished = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    clock = Clock(finished)

    def position(trial: FrozenTrial) -> float:
        if against == "trials":
            return float(trial.number)
        moment = trial.datetime_complete
        return 0.0 if moment is None else rounded(clock.seconds(moment) / unit_s)

    ordered = sorted((position(trial), trial.number, trial) for trial in finished)
    known = [(x, t, v) for x, _, t in ordered if (v := plotted_value(t)) is not None]
    better = max if study.direction == StudyDirection.MAXIMIZE else min
    values = [rounded(value) for _, _, value in known]
    best: list[float] = []
    for value in values:
        best.append(better(best[-1], value) if best else value)
    end = ordered[-1][0] if ordered else 0.0
    return _Course([x for x, _, _ in known], values, best, [t for _, t, _ in known], end)


def best_so_far(study: optuna.Study, against: Against) -> Chart:
    """The best value against time or trials, with every trial and what it is compared with.

    Raises:
        ValueError: ``against`` is neither "time" nor "trials", or the study has several
            objectives.
    """
    metric = single_metric(study)
    unit_s, x = _horizontal([study], against)
    course = _course(study, against, unit_s)
    steps = course.steps
    marks = [
        *_points(course, metric.unit),
        *_levels(study, course, metric.unit, metric.is_latency),
        Steps("best so far", *steps, RED),
    ]
    return Chart(
        f"Best {metric.name.lower()} over {against}",
        dataclasses.replace(x, limits=(0.0, course.end or 1.0)),
        value_axis(metric.title, course.values),
        marks if course.values else (),
        "" if course.values else NOTHING,
    )


def _horizontal(studies: Sequence[optuna.Study], against: Against) -> tuple[float, Axis]:
    """The size of the axis' unit in seconds, and the axis."""
    if against not in get_args(Against):
        raise ValueError(f'against={against!r}: expected "time" or "trials"')
    if against == "trials":
        return 1.0, Axis("Trial number")
    clocks = [Clock(study.get_trials(deepcopy=False)) for study in studies]
    longest = max(clocks, key=lambda clock: clock.total_s, default=Clock([]))
    unit_s, unit = longest.unit
    return unit_s, Axis(f"Time spent tuning [{unit}]")


def _points(course: _Course, unit: str) -> list[Mark]:
    kinds: dict[str, tuple[str, list[int]]] = {
        "measured": (BLUE, []),
        "first look only": (LIGHT, []),
    }
    for i, trial in enumerate(course.trials):
        if status_of(trial) == "duplicate":
            continue
        kind = "first look only" if trial.user_attrs.get("first_look") is True else "measured"
        kinds[kind][1].append(i)
    return [
        Points(
            name,
            [course.x[i] for i in members],
            [course.values[i] for i in members],
            [f"trial {course.trials[i].number}: {course.values[i]:g}{unit}" for i in members],
            colour,
            "circle" if name == "measured" else "open",
        )
        for name, (colour, members) in reversed(kinds.items())
        if members
    ]


def _levels(study: optuna.Study, course: _Course, unit: str, is_latency: bool) -> list[Levels]:
    """What would run without tuning, and what the compiler proposed."""
    levels: list[Levels] = []
    seeds = [
        (value, f"seed of trial {trial.number}: {value:g}{unit}")
        for trial, value in zip(course.trials, course.values, strict=True)
        if trial.user_attrs.get("origin") == "seed"
    ]
    if seeds:
        levels.append(Levels("seeds", [s[0] for s in seeds], [s[1] for s in seeds], ORANGE))
    default = default_latency(study.user_attrs) if is_latency else None
    if default is not None:
        value = rounded(default)
        levels.append(Levels("default", [value], [f"default: {value:g}{unit}"], BLACK))
    return levels


def comparison(studies: Studies, against: Against, speed_up: bool) -> Chart:
    """The best so far of each study.

    Raises:
        ValueError: ``against`` is unknown, a study has several objectives, or their values do
            not compare.
    """
    named = _named(studies)
    unit_s, x = _horizontal(list(named.values()), against)
    titles = {single_metric(study).title for study in named.values()}
    if not speed_up and len({study.direction for study in named.values()}) > 1:
        raise ValueError(
            "studies: some are minimised and others maximised; only studies of one direction "
            "compare."
        )
    marks: list[Mark] = []
    for i, (name, study) in enumerate(named.items()):
        steps_x, steps_y = _course(study, against, unit_s).steps
        if speed_up:
            steps_y = _speed_ups(study, steps_y)
        if steps_y:
            colour = CYCLE[i % len(CYCLE)]
            marks.append(Steps(name, steps_x, steps_y, colour))
    values = [y for mark in marks if isinstance(mark, Steps) for y in mark.y]
    title = titles.pop() if len(titles) == 1 else "Objective value"
    what = "speed-up over the default" if speed_up else "value"
    return Chart(
        f"Best {what} over {against}",
        x,
        value_axis("Speed-up over the default [times]" if speed_up else title, values),
        marks,
        "" if marks else NOTHING,
    )


def _named(studies: Studies) -> dict[str, optuna.Study]:
    if isinstance(studies, Mapping):
        return dict(studies)
    named: dict[str, optuna.Study] = {}
    for study in studies:
        name = study.study_name
        while name in named:  # One name may stand in several storages.
            name += "'"
        named[name] = study
    return named


def _speed_ups(study: optuna.Study, values: list[float]) -> list[float]:
    default = default_latency(study.user_attrs) if single_metric(study).is_latency else None
    if default is None:
        _logger.warning(
            f"The study {study.study_name!r} is left out, as the latency of its default "
            "configuration is not known."
        )
        return []
    return [rounded(default / value) for value in values if value > 0.0]
