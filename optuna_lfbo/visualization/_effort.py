"""What the trials came to over time, and where the time went."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optuna_lfbo._trials import status_of
from optuna_lfbo._winner import is_positive
from optuna_lfbo.visualization._chart import Axis, Bars, Chart
from optuna_lfbo.visualization._clock import Clock, time_unit
from optuna_lfbo.visualization._style import (
    BLUE,
    GREEN,
    LIGHT,
    ORANGE,
    PURPLE,
    RED,
    STATUS_COLOURS,
    rounded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import optuna
    from optuna.trial import FrozenTrial

_NOTHING = "No trial has finished yet."
_MOST_BINS = 40
_TRIALS_PER_BIN = 4
_GOOD = ("ok", "complete", "duplicate")
_MOST_S = 1e7
"""No trial takes more seconds than that, whatever it says."""


def outcomes(study: optuna.Study) -> Chart:
    """Finished trials by status, in equal spans of the time spent tuning."""
    finished = _finished(study)
    clock = Clock(finished)
    unit_s, unit = clock.unit
    n_bins = int(np.clip(len(finished) // _TRIALS_PER_BIN, 1, _MOST_BINS))
    span = max(clock.total_s, 1e-3) / unit_s
    edges = np.linspace(0.0, span, n_bins + 1)
    counts = {status: np.zeros(n_bins, dtype=int) for status in STATUS_COLOURS}
    for trial in finished:
        moment = trial.datetime_complete
        at = clock.seconds(moment) / unit_s if moment is not None else 0.0
        counts[status_of(trial)][min(bisect_right(edges[1:-1], at), n_bins - 1)] += 1
    width = rounded(span / n_bins)
    centres = [rounded(edge + width / 2) for edge in edges[:-1]]
    below = np.zeros(n_bins, dtype=int)
    marks = []
    for status, heights in counts.items():
        if heights.any():
            name = f"{status} ({heights.sum()})"
            colour = STATUS_COLOURS[status]
            marks.append(Bars(name, centres, below.tolist(), heights.tolist(), width, colour))
            below = below + heights
    return Chart(
        "Outcomes over time",
        Axis(f"Time spent tuning [{unit}]", limits=(0.0, span)),
        Axis("Trials"),
        marks,
        "" if marks else _NOTHING,
    )


def time_spent(study: optuna.Study) -> Chart:
    """Seconds of the device, the compiling processes and the sampler.

    For trials that do not say what compiling and measuring took, how long they ran.
    """
    finished = _finished(study)
    is_kernel = any(is_positive(trial.user_attrs.get("compile_s")) for trial in finished)
    rows = _kernel_rows(finished) if is_kernel else _trial_rows(finished)
    longest = max((sum(part.seconds for part in parts) for parts in rows.values()), default=0.0)
    unit_s, unit = time_unit(longest)
    # The first row stands highest.
    places = [(len(rows) - 1 - i, label) for i, label in enumerate(rows)]
    marks = [
        mark
        for position, label in places
        for mark in _stacked(position, rows[label], unit_s, unit)
    ]
    return Chart(
        "Where the time went",
        Axis(f"Time [{unit}]", limits=(0.0, 1.02 * max(longest / unit_s, 1e-3))),
        Axis("Spent by", ticks=places, limits=(-0.6, len(rows) - 0.4)),
        marks,
        "" if finished else _NOTHING,
    )


class _Part(NamedTuple):
    """A part of a bar."""

    name: str
    seconds: float
    colour: str


def _stacked(position: int, parts: Sequence[_Part], unit_s: float, unit: str) -> Iterator[Bars]:
    base = 0.0
    for name, seconds, colour in parts:
        length = rounded(seconds / unit_s)
        if length > 0.0:
            named = f"{name} ({length:.3g} {unit})"
            yield Bars(named, [position], [rounded(base)], [length], 0.6, colour, True)
        base += length


def _kernel_rows(finished: Sequence[FrozenTrial]) -> dict[str, list[_Part]]:
    """What the pipeline's trials say of themselves."""
    measure = [_seconds(finished, "measure_s", good) for good in (True, False)]
    compile_ = [_seconds(finished, "compile_s", good) for good in (True, False)]
    by_worker = defaultdict(list)
    for trial in finished:
        by_worker[str(trial.user_attrs.get("worker"))].append(trial)
    elapsed = sum(Clock(trials).total_s for trials in by_worker.values())
    return {
        "Device": [
            _Part("measuring, ok", measure[0], BLUE),
            _Part("measuring, failed", measure[1], RED),
            _Part("idle", max(0.0, elapsed - sum(measure)), LIGHT),
        ],
        "Compiling processes": [
            _Part("compiling, ok", compile_[0], GREEN),
            _Part("compiling, failed", compile_[1], ORANGE),
        ],
        "Sampler and storage": [_Part("next trial", _seconds(finished, "ask_s"), PURPLE)],
    }


def _trial_rows(finished: Sequence[FrozenTrial]) -> dict[str, list[_Part]]:
    seconds = dict.fromkeys(STATUS_COLOURS, 0.0)
    for trial in finished:
        if trial.duration is not None:
            seconds[status_of(trial)] += max(0.0, trial.duration.total_seconds())
    return {"Trials": [_Part(name, s, STATUS_COLOURS[name]) for name, s in seconds.items()]}


def _seconds(finished: Sequence[FrozenTrial], attribute: str, good: bool | None = None) -> float:
    """The sum of an attribute over all trials, or those that were good or bad."""
    return sum(
        float(seconds)
        for trial in finished
        if good is None or (status_of(trial) in _GOOD) == good
        if is_positive(seconds := trial.user_attrs.get(attribute)) and seconds < _MOST_S
    )


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
