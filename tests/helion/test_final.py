from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest

from optuna_lfbo._winner import DEFAULT_LATENCY, FINAL, winner_of
from optuna_lfbo.helion._final import retime
from tests.reliability.hostile import CONFIG, Here, task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def entry(name: str, latency_ms: float, spread_ms: float, is_default: bool = False) -> Any:
    return {
        "config": {"name": name},
        "latency_ms": latency_ms,
        "spread_ms": spread_ms,
        "is_default": is_default,
    }


def winner(*entries: Any) -> str:
    study = optuna.create_study()
    study.set_user_attr(FINAL, list(entries))
    best = winner_of(study)
    assert best is not None
    return str(best.configuration["name"])


def test_the_fastest_wins_if_it_can_be_told_apart() -> None:
    assert winner(entry("a", 1.0, 0.01), entry("b", 1.1, 0.001, is_default=True)) == "a"


def test_of_those_alike_the_most_consistent_wins() -> None:
    assert winner(entry("a", 1.0, 0.1), entry("b", 1.04, 0.01), entry("c", 1.06, 0.0)) == "b"


def test_what_cannot_be_told_from_the_default_is_not_worth_a_change() -> None:
    assert winner(entry("a", 1.0, 0.1), entry("b", 1.04, 0.2, is_default=True)) == "b"


def test_without_a_comparison_the_best_trial_wins() -> None:
    study = optuna.create_study()
    assert winner_of(study) is None
    for value, attributes in (
        (0.5, {"status": "duplicate"}),
        (0.6, {"status": "ok", "first_look": True}),
        (1.0, {"status": "ok"}),
    ):
        attributes["config"] = {"value": value}
        study.add_trial(optuna.create_trial(value=value, user_attrs=attributes))
    best = winner_of(study)
    assert best is not None
    assert best.latency_ms == 1.0


class Drifting(Here):
    """Times configurations on a device that slows down from round to round.

    Args:
        latencies: In milliseconds, by block, as they are without the drift.
    """

    def __init__(self, latencies: Mapping[int, float]) -> None:
        self._latencies = latencies

    def retime(
        self, configs: Sequence[Mapping[str, Any]], rounds: int, repeat: int
    ) -> list[list[float]]:
        latencies = [self._latencies[config["block"]] for config in configs]
        return [[latency * 1.02**turn for turn in range(rounds)] for latency in latencies]


def compared(searched: Mapping[int, float], sustained: Mapping[int, float]) -> optuna.Study:
    """A study of blocks after the comparison; the default has block 3."""
    study = optuna.create_study()
    for block, latency in searched.items():
        attributes = {"status": "ok", "config": {**CONFIG, "block": block}}
        study.add_trial(optuna.create_trial(value=latency, user_attrs=attributes))
    study.set_user_attr(DEFAULT_LATENCY, 1.0)
    retime(task(), Drifting(sustained), study)
    return study


def test_what_is_common_to_all_is_no_difference_and_no_spread() -> None:
    study = compared({1: 0.99, 2: 0.98, 3: 1.0}, {1: 1.01, 2: 0.99, 3: 1.0})
    final = study.user_attrs[FINAL]
    assert [entry["spread_ms"] for entry in final] == pytest.approx([0.0] * 3, abs=1e-9)
    best = winner_of(study)
    assert best is not None
    assert best.configuration["block"] == 2
    assert study.user_attrs[DEFAULT_LATENCY] / best.latency_ms == pytest.approx(1.0 / 0.99)


def test_of_many_that_looked_alike_another_may_win() -> None:
    searched = {block: 0.09 + 0.0001 * block for block in range(100, 160)}
    sustained = {block: 0.1 - 0.0001 * block for block in range(160)}
    final = compared(searched, sustained).user_attrs[FINAL]
    assert [entry["config"]["block"] for entry in final] == [*range(139, 127, -1), 3]
    assert [entry["is_default"] for entry in final] == [False] * 12 + [True]


def test_of_a_slow_kernel_fewer_are_compared() -> None:
    searched = {block: 100.0 + block for block in range(30)}
    study = compared(searched, searched)
    assert len(study.user_attrs[FINAL]) == 6


def test_what_takes_next_to_no_time_is_compared_like_all_else() -> None:
    latencies = {1: 5e-324, 2: 1e-300, 3: 1.0}
    assert compared(latencies, latencies).user_attrs[FINAL]
