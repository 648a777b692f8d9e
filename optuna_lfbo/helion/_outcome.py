"""What became of one configuration, and how that is told to a trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

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

_REASON_LENGTH = 300


@dataclass(frozen=True)
class Outcome:
    """The result of one configuration.

    Attributes:
        status: How it ended.
        latency_ms: The kernel's latency in milliseconds; None unless it was measured.
        error: One line, for every status but ``ok``.
        compile_s: Wall-clock seconds before the kernel was first launched.
        measure_s: Wall-clock seconds from the first launch on.
    """

    status: Status
    latency_ms: float | None = None
    error: str | None = None
    compile_s: float = 0.0
    measure_s: float = 0.0


def one_line(text: str) -> str:
    """Return ``text`` as one printable line of at most 300 characters."""
    # Compilers print many lines and terminals' escape codes; split() drops the line breaks.
    printable = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= _REASON_LENGTH else line[: _REASON_LENGTH - 1] + "…"
