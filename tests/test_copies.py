"""Trials of one value count once, however many there are of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import IntDistribution

from optuna_lfbo._copies import originals, shares
from optuna_lfbo._kernel import RankModel
from optuna_lfbo._labels import label
from optuna_lfbo._moves import select_incumbents
from optuna_lfbo._search import _telling
from optuna_lfbo._space import Space

if TYPE_CHECKING:
    from optuna_lfbo._space import Array

losses = st.lists(st.one_of(st.integers(-99, 99), st.just(math.inf)), min_size=1, max_size=30).map(
    lambda values: np.array(values, dtype=float)
)


@st.composite
def with_copies(draw: st.DrawFn) -> tuple[Array, Array]:
    """Losses, and the same with copies of some successes behind them."""
    some = draw(losses.filter(lambda values: bool(np.isfinite(values).any())))
    some = some[originals(some)]
    finite = some[np.isfinite(some)].tolist()
    copies = draw(st.lists(st.sampled_from(finite), max_size=60))
    return some, np.concatenate([some, copies])


@given(with_copies())
def test_the_first_of_each_value_is_no_copy(pair: tuple[Array, Array]) -> None:
    some, more = pair
    assert originals(more).tolist() == [True] * len(some) + [False] * (len(more) - len(some))
    assert shares(more).sum() == pytest.approx(len(some))


@given(with_copies(), st.floats(0.05, 0.95))
def test_copies_do_not_change_what_is_good(pair: tuple[Array, Array], quantile: float) -> None:
    some, more = pair
    labels, again = label(some, quantile), label(more, quantile)
    assert again.good[: len(some)].tolist() == labels.good.tolist()
    assert again.weights.mean() == pytest.approx(1.0)
    for loss in some[np.isfinite(some)]:
        weight = again.weights[more == loss].sum() / len(more)
        assert weight == pytest.approx(labels.weights[some == loss].sum() / len(some))


@given(with_copies())
def test_copies_do_not_change_the_ranks(pair: tuple[Array, Array]) -> None:
    some, more = pair
    space = Space({"x": IntDistribution(0, 3)})
    models = [
        RankModel(space, np.zeros((len(values), 1)), values, None, 1) for values in (some, more)
    ]
    assert models[0].best == pytest.approx(models[1].best)


def test_copies_are_no_incumbents() -> None:
    rows = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [2, 2, 2]], dtype=float)
    values = np.array([1.0, 1.0, 1.0, 2.0])
    assert select_incumbents(rows, values, 3, 2).tolist() == rows[[0, 3]].tolist()


def test_the_model_of_ranks_sees_the_best_half_without_copies() -> None:
    values = np.concatenate([np.zeros(50), np.arange(50.0)])
    some = _telling(values, 20, np.random.default_rng(0))
    assert len(set(some.tolist())) == 20
    assert values[some[:10]].tolist() == list(range(10))
