"""Which parameters a configuration has, from what complete trials had."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from optuna_lfbo._conditions import Conditions
from optuna_lfbo._space import Space

SPACE = Space(
    {
        "flag": CategoricalDistribution([False, True]),
        "model": CategoricalDistribution(["linear", "network"]),
        "layers": IntDistribution(1, 3),
        "rate": FloatDistribution(0, 1),
        "width0": FloatDistribution(0, 1),
        "width1": FloatDistribution(0, 1),
    }
)


def complete(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rows of a space where only networks have layers, and as many widths as those."""
    rows = SPACE.sample(rng, n)
    linear = rows[:, 1] == 0
    rows[linear, 2] = np.nan
    rows[~linear, 3] = np.nan
    rows[linear, 4:] = np.nan
    rows[rows[:, 2] == 0, 5] = np.nan
    return rows


def test_it_learns_what_depends_on_what() -> None:
    conditions = Conditions(SPACE, complete(np.random.default_rng(0), 60))
    expected = complete(np.random.default_rng(1), 60)
    rows = SPACE.complete(expected, np.random.default_rng(2))
    np.testing.assert_array_equal(conditions.without_absent(rows), expected)


def test_what_was_never_seen_is_left_open() -> None:
    rows = complete(np.random.default_rng(0), 60)
    conditions = Conditions(SPACE, rows[rows[:, 2] != 1])
    unseen = np.array([[0.0, 1.0, 1.0, 0.5, 0.5, 0.5]])
    seen = conditions.without_absent(unseen)
    assert np.isnan(seen).tolist() == [[False, False, False, True, False, False]]


@pytest.mark.parametrize("n", [0, 20])
def test_nothing_is_absent_where_every_trial_has_everything(n: int) -> None:
    rows = SPACE.sample(np.random.default_rng(0), 20)
    assert Conditions(SPACE, rows[:n]).without_absent(rows) is rows


def test_what_no_complete_trial_had_is_not_known_to_be_absent() -> None:
    rows = complete(np.random.default_rng(0), 60)
    linear = rows[rows[:, 1] == 0]
    anywhere = SPACE.sample(np.random.default_rng(1), 20)
    assert Conditions(SPACE, linear).without_absent(anywhere) is anywhere
