from __future__ import annotations

import pytest

from optuna_lfbo.helion._engine import CompileLimit
from optuna_lfbo.helion._stop import StopRule


def test_the_number_of_trials_counts_those_in_flight() -> None:
    rule = StopRule(n_trials=3, timeout=None)
    rule.n_started = 2
    assert rule.reason is None
    rule.n_started = 3
    assert rule.reason == "3 trials"


def test_patience_ends_without_improvement_worth_the_name() -> None:
    rule = StopRule(None, None)
    rule.finish(1.0)
    latencies: list[float | None] = [None, 0.991, 2.0]
    for i in range(399):
        assert rule.reason is None
        rule.finish(latencies[i % 3])
    rule.finish(0.98)
    for _ in range(400):
        assert rule.reason is None
        rule.finish(None)
    assert rule.reason == "no improvement in 400 trials"


def test_patience_grows_with_the_number_of_trials() -> None:
    rule = StopRule(None, None)
    for i in range(1500):
        rule.finish(0.98**i)
    for _ in range(499):
        rule.finish(None)
        assert rule.reason is None
    rule.finish(None)
    assert rule.reason == "no improvement in 500 trials"


def test_patience_is_not_lost_with_what_is_drawn_at_random() -> None:
    rule = StopRule(None, None)
    rule.finish(1.0)
    for _ in range(99):
        rule.finish(2.0, is_free=True)
    assert not rule.is_impatient
    rule.finish(2.0, is_free=True)
    assert rule.is_impatient
    rule.finish(0.9, is_free=True)
    assert not rule.is_impatient
    for _ in range(399):
        rule.finish(None)
        rule.finish(None, is_free=True)
    assert rule.reason is None
    rule.finish(None)
    assert rule.reason == "no improvement in 400 trials"


def test_nothing_new_ends_the_tuning() -> None:
    rule = StopRule(None, None)
    for _ in range(49):
        rule.skip()
    rule.start()
    for _ in range(49):
        rule.skip()
    assert rule.reason is None
    rule.skip()
    assert rule.reason == "nothing new to try"


def test_a_timeout_ends_the_tuning() -> None:
    rule = StopRule(None, -10.0)
    assert rule.reason is None
    rule.n_started = 1
    assert rule.reason == "timeout"
    assert not rule.is_overdue
    rule.finish(None)
    assert rule.is_overdue
    assert not StopRule(None, None).is_overdue


def test_the_compile_limit_follows_what_compiles_took() -> None:
    limit = CompileLimit(15.0)
    for _ in range(9):
        limit.add(1.0)
    assert limit.seconds == 15.0
    limit.add(1.0)
    assert limit.seconds == pytest.approx(4.0)
    for _ in range(20):
        limit.add(2.0)
    assert limit.seconds == pytest.approx(8.0)
    for _ in range(100):
        limit.add(9.0)
    assert limit.seconds == 15.0
