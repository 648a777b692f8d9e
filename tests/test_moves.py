"""Incumbents, moves around them, and the labels that filter the moves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_lfbo._labels import label
from optuna_lfbo._moves import n_changes, propose, select_incumbents
from optuna_lfbo._space import Space
from tests.strategies import spaces


@given(spaces(), st.integers(0, 2**32))
def test_moves_stay_in_the_space(distributions: dict[str, BaseDistribution], seed: int) -> None:
    space, rng = Space(distributions), np.random.default_rng(seed)
    for row in propose(space, space.sample(rng, 2), 30, 0.3, rng):
        for name, value in space.decode(row).items():
            distribution = distributions[name]
            assert distribution._contains(distribution.to_internal_repr(value))


def test_every_move_on_finite_axes_changes_something() -> None:
    space = Space({"n": IntDistribution(0, 9), "c": CategoricalDistribution(["a", "b", "c"])})
    incumbent = np.array([[9.0, 1.0]])
    moves = propose(space, incumbent, 200, 0.3, np.random.default_rng(0))
    assert (moves != incumbent).any(axis=1).all()
    assert set(moves[:, 0]) == set(range(10)), "jumps reach every value"


def test_some_moves_go_along_all_continuous_axes() -> None:
    space = Space({name: FloatDistribution(0, 1) for name in "abcdefgh"})
    incumbent = np.full((1, 8), 0.99)
    moves = propose(space, incumbent, 400, 0.3, np.random.default_rng(0))
    n_changed = (moves != incumbent).sum(axis=1)
    assert 0.4 < np.mean(n_changed == 8) < 0.6
    assert np.mean(n_changed <= 2) > 0.3
    assert moves.min() >= 0
    assert moves.max() <= 1


def test_incumbents_differ_and_come_best_first() -> None:
    rows = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [5, 5, 5], [5, 5, 4]], dtype=float)
    losses = np.array([1.0, 2.0, 3.0, 4.0, math.inf])
    assert select_incumbents(rows, losses, 9, 2).tolist() == rows[[0, 2, 3]].tolist()
    assert select_incumbents(rows, losses, 1, 2).tolist() == rows[[0]].tolist()


def test_a_missing_parameter_equals_a_missing_one() -> None:
    rows = np.array([[0.0, np.nan], [0.0, np.nan], [1.0, np.nan]])
    assert len(select_incumbents(rows, np.arange(3.0), 3, 1)) == 2


@pytest.mark.parametrize(
    ("losses", "good"),
    [
        ([3.0, 1.0, 2.0, 4.0], [False, True, False, False]),
        ([3.0, math.inf, math.inf, math.inf], [True, False, False, False]),
        ([math.inf, math.inf], [False, False]),
        ([1.0, 1.0, 5.0, 6.0], [True, True, False, False]),
    ],
)
def test_failures_are_bad_and_do_not_widen_what_is_good(
    losses: list[float], good: list[bool]
) -> None:
    labels = label(np.array(losses), 0.25)
    assert labels.good.tolist() == good
    assert labels.weights.mean() == pytest.approx(1.0)
    if 0 < sum(good) < len(good):
        assert labels.weights[labels.good].sum() == pytest.approx(len(good) / 2)


def test_changes_are_counted_and_missing_values_are_alike() -> None:
    rows = np.array([[0.0, 1.0, np.nan], [0.0, 2.0, 3.0], [np.nan, 1.0, np.nan]])
    assert n_changes(rows, rows[0]).tolist() == [0, 2, 1]
