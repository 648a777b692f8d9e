from __future__ import annotations

from typing import Any

import optuna

from optuna_lfbo._winner import FINAL, winner_of


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
