"""What a study of kernel latencies holds."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING

import optuna
from optuna.study import StudyDirection

from optuna_lfbo.helion._outcome import key_of
from optuna_lfbo.helion._records import shown

if TYPE_CHECKING:
    from optuna_lfbo.helion._identity import Identity

_FIXED_ATTRIBUTES = ("kernel", "source_hash", "args", "device")

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


def claim(study: optuna.Study, identity: Identity, metric: str) -> None:
    """Record in ``study`` what it is about, or check that it is about the same.

    Raises:
        ValueError: The study does not minimise a single value, or was made for another
            kernel, other arguments, another device or another metric.
    """
    if study.directions != [StudyDirection.MINIMIZE]:
        directions = ", ".join(direction.name.lower() for direction in study.directions)
        raise ValueError(
            f"Latencies are minimised, but the study {study.study_name!r} has the direction(s) "
            f"{directions}; create it with direction='minimize'."
        )
    try:
        known = study.user_attrs
    except RecursionError as error:
        raise ValueError(
            f"A user attribute of the study {study.study_name!r} is nested too deep to be read."
        ) from error
    ours = dataclasses.asdict(identity)
    for name in _FIXED_ATTRIBUTES:
        if name in known and key_of(known[name]) != key_of(ours[name]):
            raise ValueError(
                f"The study {study.study_name!r} was made with another {name}: it has "
                f"{shown(known[name])}, this objective {shown(ours[name])}. Use another study; "
                f"objective.study_name gives a fitting name."
            )
    if study.metric_names not in (None, [metric]):
        raise ValueError(
            f"The study {study.study_name!r} has values of {study.metric_names}, but here "
            f"{metric!r} is measured. Use another study."
        )
    if "versions" in known and known["versions"] != identity.versions:
        _logger.warning(
            f"The study {study.study_name!r} was made with {shown(known['versions'])}, this "
            f"process has {identity.versions}; latencies of both may not compare."
        )
    for name, value in ours.items():
        if name not in known:
            study.set_user_attr(name, value)
    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([metric])
