"""What trials say of themselves, whoever wrote them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optuna.trial import TrialState

from optuna_lfbo._text import one_line

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

STATUSES: Final = (
    "ok",
    "duplicate",
    "rejected",
    "compile_error",
    "compile_timeout",
    "runtime_error",
    "benchmark_timeout",
    "wrong_result",
)
"""The values of the user attribute ``status``."""

_LONGEST_NAME = 80


@dataclass(frozen=True)
class Metric:
    """What a study optimises.

    Attributes:
        name: Its name, for people.
        unit: The unit with a space before it, or an empty text.
        is_latency: Whether the value of the default configuration is comparable.
    """

    name: str
    unit: str = ""
    is_latency: bool = False

    @property
    def title(self) -> str:
        """The title of an axis."""
        return f"{self.name} [{self.unit.strip()}]" if self.unit else self.name


_LATENCIES: Final = {
    "latency_ms": Metric("Latency", " ms", is_latency=True),
    "latency_over_default": Metric("Latency over default", is_latency=True),
}


def metric_of(study: optuna.Study) -> Metric:
    """The metric of a single-objective study."""
    names = study.metric_names
    if not names:
        return Metric("Objective value")
    name = one_line(str(names[0]), _LONGEST_NAME)
    return _LATENCIES.get(name, Metric(name))


def status_of(trial: FrozenTrial) -> str:
    """How a trial ended: its status, or its state if it has none that is known."""
    status = trial.user_attrs.get("status")
    if trial.state.is_finished() and isinstance(status, str) and status in STATUSES:
        return status
    return trial.state.name.lower()


def finite_value(trial: FrozenTrial) -> float | None:
    """The value of a trial that succeeded, None for any other."""
    if trial.state != TrialState.COMPLETE or not math.isfinite(trial.values[0]):
        return None
    return float(trial.values[0])
