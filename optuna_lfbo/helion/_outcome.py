"""What became of one configuration, and how that is told to a trial."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from optuna_lfbo._text import one_line as one_line

FailedStatus: TypeAlias = Literal[
    "compile_error",
    "compile_timeout",
    "runtime_error",
    "benchmark_timeout",
    "wrong_result",
    "rejected",
]
Status: TypeAlias = Literal["ok", "duplicate"] | FailedStatus

FAILED_STATUSES: Final[tuple[FailedStatus, ...]] = get_args(FailedStatus)


@dataclass(frozen=True)
class Outcome:
    """The result of one configuration.

    Attributes:
        status: How it ended.
        latency_ms: The kernel's latency in milliseconds; None unless it was measured.
        error: One line, for every status but ``ok``.
        compile_s: Seconds that compiling took.
        measure_s: Seconds that running, checking and timing took.
        first_look: Whether a few launches showed that it is clearly slow; its result is not
            checked then.
        latencies_ms: Those of several argument sets; ``latency_ms`` is the geometric mean of
            latency over default latency then.
    """

    status: Status
    latency_ms: float | None = None
    error: str | None = None
    compile_s: float = 0.0
    measure_s: float = 0.0
    first_look: bool = False
    latencies_ms: tuple[float, ...] | None = None

    def __str__(self) -> str:
        """Return the status, what was measured, and what went wrong."""
        value = "" if self.latency_ms is None else f" {self.latency_ms:.4g}"
        reason = "" if self.error is None else f" ({self.error})"
        return f"{self.status}{value}{reason}"

    def attributes(self) -> dict[str, str | float | bool | list[float]]:
        """Return what a trial records of it, the status last: a trial that has it is whole."""
        attributes: dict[str, str | float | bool | list[float]] = {}
        if self.error is not None:
            attributes["error"] = self.error
        if self.first_look:
            attributes["first_look"] = True
        if self.latencies_ms is not None:
            attributes["latencies_ms"] = list(self.latencies_ms)
        attributes["compile_s"] = round(self.compile_s, 4)
        attributes["measure_s"] = round(self.measure_s, 4)
        attributes["status"] = self.status
        return attributes


def key_of(configuration: object) -> str:
    """Return a text that is the same for equal configurations, and only for these."""
    return json.dumps(configuration, sort_keys=True)
