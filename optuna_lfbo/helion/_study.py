"""What a study of kernel latencies holds: its attributes and the configurations it knows."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import TYPE_CHECKING

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_lfbo.helion._outcome import FAILED_STATUSES, Outcome, key_of, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._identity import Identity

DEFAULT_LATENCY = "default_latency_ms"
N_DUPLICATES = "n_duplicates"

_FIXED_ATTRIBUTES = ("kernel", "source_hash", "args", "device")

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


def claim(study: optuna.Study, identity: Identity, metric: str) -> None:
    """Record in ``study`` what it is about, or check that it is about the same.

    Raises:
        ValueError: The study does not minimise a single value, or was made for another
            kernel, other arguments or another device.
    """
    if study.directions != [StudyDirection.MINIMIZE]:
        directions = ", ".join(direction.name.lower() for direction in study.directions)
        raise ValueError(
            f"Latencies are minimised, but the study {study.study_name!r} has the direction(s) "
            f"{directions}; create it with direction='minimize'."
        )
    known = study.user_attrs
    ours = dataclasses.asdict(identity)
    for name in _FIXED_ATTRIBUTES:
        if name in known and key_of(known[name]) != key_of(ours[name]):
            raise ValueError(
                f"The study {study.study_name!r} was made with another {name}: it has "
                f"{key_of(known[name])}, this objective {key_of(ours[name])}. Use another study; "
                f"objective.study_name gives a fitting name."
            )
    if "versions" in known and known["versions"] != identity.versions:
        _logger.warning(
            f"The study {study.study_name!r} was made with {known['versions']}, this process "
            f"has {identity.versions}; latencies of both may not compare."
        )
    for name, value in ours.items():
        if name not in known:
            study.set_user_attr(name, value)
    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([metric])


def count_duplicate(study: optuna.Study) -> None:
    """Add one to the study's number of trials that needed no measurement of their own."""
    known = study.user_attrs.get(N_DUPLICATES)
    study.set_user_attr(N_DUPLICATES, (known if isinstance(known, int) else 0) + 1)


class Ledger:
    """The configurations that a study has outcomes for.

    Reads each finished trial once. Not safe for threads by itself.
    """

    def __init__(self) -> None:
        self._read: set[int] = set()
        self._known: dict[str, tuple[int, Outcome]] = {}

    def outcome(self, study: optuna.Study, config: Mapping[str, object]) -> Outcome | None:
        """Return the outcome to repeat for ``config``, or None if it is a new one."""
        for trial in study.get_trials(
            deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL)
        ):
            if trial.number not in self._read:
                self._read.add(trial.number)
                self._enter(trial)
        if (entry := self._known.get(key_of(config))) is None:
            return None
        return repeated(*entry)

    def add(self, number: int, config: Mapping[str, object], outcome: Outcome) -> None:
        """Enter the outcome of a trial that the storage does not have as finished yet."""
        self._known.setdefault(key_of(config), (number, outcome))

    def _enter(self, trial: FrozenTrial) -> None:
        # Another process wrote these attributes, perhaps another program.
        config, status = trial.user_attrs.get("config"), trial.user_attrs.get("status")
        if not isinstance(config, dict):
            return
        if trial.state == TrialState.FAIL:
            if status in FAILED_STATUSES:
                error = one_line(str(trial.user_attrs.get("error")))
                self.add(trial.number, config, Outcome(status, error=error))
        elif status in ("ok", "duplicate") and math.isfinite(trial.value or math.inf):
            first_look = bool(trial.user_attrs.get("first_look"))
            self.add(trial.number, config, Outcome("ok", trial.value, first_look=first_look))


def repeated(number: int, outcome: Outcome) -> Outcome:
    """The outcome of a trial with the same configuration as trial ``number``."""
    if outcome.latency_ms is None:
        return Outcome(outcome.status, error=outcome.error)
    return Outcome(
        "duplicate",
        outcome.latency_ms,
        error=f"the same configuration as trial {number}",
        first_look=outcome.first_look,
        latencies_ms=outcome.latencies_ms,
    )


def measured_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials with a configuration that was measured to the end, the fastest first."""
    trials = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.user_attrs.get("status") == "ok"
        and not trial.user_attrs.get("first_look")
        and isinstance(trial.user_attrs.get("config"), dict)
        and math.isfinite(trial.value or math.inf)
    ]
    return sorted(trials, key=lambda trial: trial.value or math.inf)


def best_latency(study: optuna.Study) -> float | None:
    """The latency in milliseconds of the fastest of them, if there is one."""
    trials = measured_trials(study)
    return trials[0].value if trials else None
