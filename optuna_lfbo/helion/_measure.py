"""From what Helion did with a configuration to the outcome of a trial."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from optuna_lfbo.helion._outcome import Outcome, Status, one_line

if TYPE_CHECKING:
    from optuna_lfbo.helion._compat import Attempt

# The compiler's exceptions, which Triton may raise as late as at the first launch. They are
# known by name, as they come from other processes and from packages that may be missing.
_COMPILER_ERRORS = re.compile(
    r"CompilationError|PTXASError|IntelGPUError|OutOfResources|PassManager::run failed"
    r"|failed to translate module to LLVM IR|exceeds triton maximum tensor numel"
)
# Triton puts the position and the source line of an error before the message.
_TRITON_POSITION = re.compile(r"at \d+:\d+:")


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
    if not attempt.launched or _COMPILER_ERRORS.search(reason):
        return "compile_error", reason
    return "runtime_error", reason


def _reason(attempt: Attempt) -> str:
    if attempt.error is None:
        if attempt.timed_out is not None:
            return f"the {attempt.timed_out} exceeded the time limit"
        return f"Helion gave no reason (latency {attempt.latency_ms} ms)"
    message = _message(attempt.error)
    return f"{type(attempt.error).__name__}: {message}" if message else repr(attempt.error)


def _message(error: BaseException) -> str:
    text = str(error).strip()
    if len(error.args) > 1 and isinstance(error.args[-1], str):
        # An exception sent by another process is rebuilt from its arguments alone; the
        # message is the last one.
        text = error.args[-1].strip()
    if _TRITON_POSITION.match(text):
        return text.splitlines()[-1]
    return text
