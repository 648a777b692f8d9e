"""From what Helion did with a configuration to the outcome of a trial."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from optuna_lfbo.helion._outcome import Outcome, Status, one_line

# The compiler's exceptions, which Triton may raise as late as at the first launch. They are
# known by name, as they come from other processes and from packages that may be missing.
_COMPILER_ERRORS = re.compile(
    r"CompilationError|PTXASError|IntelGPUError|PassManager::run failed"
    r"|failed to translate module to LLVM IR|exceeds triton maximum tensor numel"
)
# The code is fine, but the device has too little shared memory or too few threads to launch it.
_LAUNCH_ERRORS = re.compile(r"OutOfResources")
# Triton puts the position and the source line of an error before the message.
_TRITON_POSITION = re.compile(r"at \d+:\d+:")
# Helion puts the kernel's source line and the graph node behind it.
_HELION_POSITION = re.compile(r"\s*While (processing|executing)\b.*", re.DOTALL)


@dataclass(frozen=True)
class Attempt:
    """What Helion did with one configuration.

    Attributes:
        latency_ms: Milliseconds, or infinity.
        deduplicated: Whether the latency is that of another configuration whose generated
            source is the same.
        launched: Whether it came to running the kernel.
        timed_out: What exceeded Helion's time limit, if anything did.
        mismatch: How the result differs from the baseline's, if it does.
        error: The exception that ended the attempt, if one is known.
        fatal: Whether this process cannot measure anything any more.
        compile_s: Seconds before the kernel was first launched.
        measure_s: Seconds from then on.
    """

    latency_ms: float
    deduplicated: bool
    launched: bool
    timed_out: Literal["compile", "benchmark"] | None
    mismatch: str | None
    error: BaseException | None
    fatal: bool
    compile_s: float
    measure_s: float


def outcome_of(attempt: Attempt) -> Outcome:
    """Return the outcome that ``attempt`` amounts to."""
    status, error = _verdict(attempt)
    succeeded = status in ("ok", "duplicate")
    return Outcome(
        status=status,
        latency_ms=attempt.latency_ms if succeeded else None,
        error=None if error is None else one_line(error),
        compile_s=attempt.compile_s,
        measure_s=attempt.measure_s,
    )


def _verdict(attempt: Attempt) -> tuple[Status, str | None]:
    if math.isfinite(attempt.latency_ms) and attempt.latency_ms > 0:
        if attempt.deduplicated:
            return "duplicate", "generates the same source as an earlier configuration"
        return "ok", None
    if attempt.mismatch is not None:
        return "wrong_result", attempt.mismatch or "the result differs from the baseline's"
    reason = _reason(attempt)
    if attempt.timed_out == "compile":
        return "compile_timeout", reason
    if attempt.timed_out == "benchmark":
        return "benchmark_timeout", reason
    if _LAUNCH_ERRORS.search(reason):
        return "runtime_error", reason
    if not attempt.launched or _COMPILER_ERRORS.search(reason):
        return "compile_error", reason
    return "runtime_error", reason


def _reason(attempt: Attempt) -> str:
    if attempt.error is None:
        return f"Helion gave no reason for the latency of {attempt.latency_ms} ms"
    text = _HELION_POSITION.sub("", str(attempt.error)).strip()
    if _TRITON_POSITION.match(text):
        text = text.splitlines()[-1]
    return f"{type(attempt.error).__name__}: {text}"
