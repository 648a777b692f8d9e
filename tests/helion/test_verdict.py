from __future__ import annotations

from math import inf, nan

import pytest

from optuna_lfbo.helion._jobs import Failure, Measurement, Mismatch
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion._verdict import measured, not_built

CALLED = "exceeds triton maximum tensor numel (1048576)"


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        (Failure("KeyError", "'x'"), "compile_error", "KeyError: 'x'"),
        (
            Failure("OutOfResources", "out of resource: shared memory"),
            "runtime_error",
            "OutOfResources: out of resource: shared memory",
        ),
        (
            Failure("CompilationError", "at 3:4:\n  tl.dot(a, b)\n  ^\ntoo big"),
            "compile_error",
            "CompilationError: too big",
        ),
        (
            Failure("InternalError", "no such tile\nWhile processing:\n  File"),
            "compile_error",
            "InternalError: no such tile",
        ),
    ],
)
def test_what_is_not_built_has_a_reason(failure: Failure, status: str, error: str) -> None:
    outcome = not_built(failure, compile_s=1.5)
    assert (outcome.status, outcome.error, outcome.compile_s) == (status, error, 1.5)
    assert outcome.latency_ms is None


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (Measurement(0.25, first_look=False), "ok", None),
        (Measurement(0.25, first_look=True), "ok", None),
        (Measurement(nan, first_look=False), "runtime_error", "a latency of nan ms"),
        (Measurement(inf, first_look=False), "runtime_error", "a latency of inf ms"),
        (Measurement(0.0, first_look=False), "runtime_error", "a latency of 0.0 ms"),
        (Mismatch("off by 1"), "wrong_result", "off by 1"),
        (Mismatch(""), "wrong_result", "differs from the baseline"),
        (Failure("ValueError", "bad"), "runtime_error", "ValueError: bad"),
        (Failure("PTXASError", "no registers"), "compile_error", "PTXASError: no registers"),
        (Failure("ValueError", f"numel {CALLED}"), "compile_error", CALLED),
    ],
    ids=repr,
)
def test_what_is_measured_has_a_latency_or_a_reason(
    answer: Measurement | Mismatch | Failure, status: str, error: str | None
) -> None:
    outcome = measured(answer, compile_s=1.0, measure_s=0.5)
    assert outcome.status == status
    assert (outcome.latency_ms is not None) == (status == "ok")
    assert (outcome.compile_s, outcome.measure_s) == (1.0, 0.5)
    if error is None:
        assert isinstance(answer, Measurement)
        assert outcome.error is None
        assert outcome.first_look == answer.first_look
    else:
        assert outcome.error is not None
        assert error in outcome.error


def test_a_reason_is_one_short_printable_line() -> None:
    text = one_line("one\ntwo\x00\t\x1b[31mthree\u2028" + "x" * 1000)
    assert text.startswith("one two [31mthree xxx")
    assert len(text) == 300
    assert text.isprintable()
