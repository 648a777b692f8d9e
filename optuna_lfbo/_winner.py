"""What a study of latencies has found, read from the attributes that tuning leaves there."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import optuna
    from optuna.trial import FrozenTrial

DEFAULT_LATENCY = "default_latency_ms"
FINAL = "final"


@dataclass(frozen=True)
class Finalist:
    """A configuration and what the final comparison measured.

    Attributes:
        configuration: What was timed.
        latency_ms: Median over the rounds.
        spread_ms: Distance of the quartiles of the rounds.
        is_default: Whether it is what would run without tuning.
    """

    configuration: dict[str, Any]
    latency_ms: float
    spread_ms: float
    is_default: bool = False


def winner_of(study: optuna.Study) -> Finalist | None:
    """The fastest of the final comparison; without one, of all trials.

    Of those that cannot be told apart from the fastest it is the default, if that is one of
    them, else the one that was measured most consistently.
    """
    finalists = list(_finalists(study.user_attrs.get(FINAL)))
    if finalists:
        fastest = min(finalists, key=lambda finalist: finalist.latency_ms)
        limit = fastest.latency_ms + fastest.spread_ms / 2.0
        alike = [finalist for finalist in finalists if finalist.latency_ms <= limit]
        return min(alike, key=lambda finalist: (not finalist.is_default, finalist.spread_ms))
    trials = measured_trials(study)
    return finalist_of(trials[0]) if trials else None


def finalist_of(trial: FrozenTrial) -> Finalist:
    """A measured trial as it enters the final comparison."""
    return Finalist(trial.user_attrs["config"], trial.value or math.inf, math.nan)


def measured_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials with a configuration that was measured to the end, the fastest first."""
    trials = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.user_attrs.get("status") == "ok"
        and not trial.user_attrs.get("first_look")
        and isinstance(trial.user_attrs.get("config"), dict)
        and is_positive(trial.value)
    ]
    return sorted(trials, key=lambda trial: trial.value or math.inf)


def default_latency(attributes: Mapping[str, object]) -> float | None:
    """The default's latency in milliseconds, as the attributes of a study have it."""
    latency = attributes.get(DEFAULT_LATENCY)
    return float(latency) if is_positive(latency) else None


def _finalists(record: object) -> Iterator[Finalist]:
    """Those of a record that may have been written by another program."""
    for entry in record if isinstance(record, list) else ():
        if not (isinstance(entry, dict) and isinstance(entry.get("config"), dict)):
            continue
        latency, spread = entry.get("latency_ms"), entry.get("spread_ms")
        if is_positive(latency) and (spread == 0 or is_positive(spread)):
            yield Finalist(entry["config"], latency, spread, entry.get("is_default") is True)


def is_positive(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a number that a time can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0.0 < value <= sys.float_info.max
