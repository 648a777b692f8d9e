"""From what the worker processes answered to the outcome of a trial."""

from __future__ import annotations

import math
import re

from optuna_lfbo.helion._jobs import Failure, Measurement, Mismatch
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


def not_built(failure: Failure, compile_s: float) -> Outcome:
    """The outcome of a configuration that a compiling process could not compile."""
    reason = _reason(failure)
    status: Status = "runtime_error" if _LAUNCH_ERRORS.search(reason) else "compile_error"
    return Outcome(status, error=one_line(reason), compile_s=compile_s)


def measured(
    answer: Measurement | Mismatch | Failure, compile_s: float, measure_s: float
) -> Outcome:
    """The outcome of a configuration that was compiled and run."""
    if isinstance(answer, Measurement):
        if not (math.isfinite(answer.latency_ms) and answer.latency_ms > 0.0):
            reason = f"a latency of {answer.latency_ms} ms was measured"
            return Outcome("runtime_error", None, reason, compile_s, measure_s)
        return Outcome(
            "ok", answer.latency_ms, None, compile_s, measure_s, first_look=answer.first_look
        )
    if isinstance(answer, Mismatch):
        text = answer.message or "the result differs from the baseline's"
        return Outcome("wrong_result", None, one_line(text), compile_s, measure_s)
    reason = _reason(answer)
    status: Status = "compile_error" if _COMPILER_ERRORS.search(reason) else "runtime_error"
    return Outcome(status, None, one_line(reason), compile_s, measure_s)


def _reason(failure: Failure) -> str:
    text = _HELION_POSITION.sub("", failure.message).strip()
    if _TRITON_POSITION.match(text):
        text = text.splitlines()[-1]
    return f"{failure.name}: {text}"
