from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from helion.autotuner.precompile_future import RemoteError

from optuna_lfbo.helion._compat import _rebuilt
from optuna_lfbo.helion._measure import Attempt, outcome_of
from optuna_lfbo.helion._outcome import one_line

FAILED = Attempt(
    latency_ms=inf,
    deduplicated=False,
    launched=True,
    timed_out=None,
    mismatch=None,
    error=None,
    fatal=False,
    compile_s=1.0,
    measure_s=0.5,
)


class OutOfResources(Exception):  # noqa: N818 - Triton's name
    pass


@pytest.mark.parametrize(
    ("facts", "status", "error"),
    [
        ({"latency_ms": 0.25}, "ok", None),
        ({"latency_ms": 0.25, "deduplicated": True}, "duplicate", "generates the same source"),
        ({"mismatch": "off by 1"}, "wrong_result", "off by 1"),
        ({"mismatch": ""}, "wrong_result", "differs from the baseline"),
        (
            {"launched": False, "timed_out": "compile", "error": TimeoutError("after 60 s")},
            "compile_timeout",
            "TimeoutError: after 60 s",
        ),
        (
            {"timed_out": "benchmark", "error": TimeoutError("after 30 s")},
            "benchmark_timeout",
            "TimeoutError: after 30 s",
        ),
        ({"launched": False, "error": KeyError("x")}, "compile_error", "KeyError: 'x'"),
        ({"error": ValueError("bad")}, "runtime_error", "ValueError: bad"),
        (
            {"error": OutOfResources("out of resource: shared memory")},
            "runtime_error",
            "OutOfResources: out of resource: shared memory",
        ),
        (
            {"launched": False, "error": ValueError("at 3:4:\n  tl.dot(a, b)\n  ^\ntoo big")},
            "compile_error",
            "ValueError: too big",
        ),
        (
            {"launched": False, "error": ValueError("no such tile\nWhile processing:\n  File")},
            "compile_error",
            "ValueError: no such tile",
        ),
        ({}, "runtime_error", "Helion gave no reason"),
        ({"latency_ms": nan}, "runtime_error", "latency of nan ms"),
        ({"latency_ms": 0.0}, "runtime_error", "latency of 0.0 ms"),
    ],
    ids=repr,
)
def test_outcomes(facts: dict[str, Any], status: str, error: str | None) -> None:
    outcome = outcome_of(replace(FAILED, **facts))
    assert outcome.status == status
    assert (outcome.latency_ms is not None) == (status in ("ok", "duplicate"))
    if error is None:
        assert outcome.error is None
    else:
        assert outcome.error is not None
        assert error in outcome.error
    assert (outcome.compile_s, outcome.measure_s) == (1.0, 0.5)


def test_a_reason_is_one_short_printable_line() -> None:
    text = one_line("one\ntwo\x00\t\x1b[31mthree\u2028" + "x" * 1000)
    assert text.startswith("one two [31mthree xxx")
    assert len(text) == 300
    assert text.isprintable()


def remote(exc_type: str, args: tuple[object, ...], traceback: str) -> RemoteError:
    return RemoteError(exc_type, "some.module", args, traceback, "debug")


def test_exceptions_of_the_compilers_process_keep_their_message() -> None:
    error = _rebuilt(remote("PTXASError", ("ptxas died\nRepro: ptxas x",), "... Repro: ptxas x"))
    assert (type(error).__name__, str(error)) == ("PTXASError", "ptxas died\nRepro: ptxas x")
    traceback = "Traceback:\n  ...\nsome.module.OutOfResources: out of resource: shared memory\n"
    error = _rebuilt(remote("OutOfResources", (300, 200, "shared memory"), traceback))
    assert str(error) == "out of resource: shared memory"
