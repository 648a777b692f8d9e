"""The mapping between parameters and numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from optuna_lfbo._space import Space
from tests.strategies import distributions, spaces, values_of


@given(st.data(), spaces())
def test_parameters_survive_the_round_trip(data: st.DataObject, space: dict) -> None:
    params = {name: data.draw(values_of(d)) for name, d in space.items()}
    decoded = Space(space).decode(Space(space).encode(params))
    for name, value in params.items():
        assert type(decoded[name]) is type(value)
        distribution = space[name]
        if isinstance(distribution, FloatDistribution):
            # The end of larger magnitude sets what a unit coordinate can resolve.
            resolution = 1e-9 * max(abs(distribution.low), abs(distribution.high))
            tolerance = 1e-9 * value if distribution.log else resolution
            assert decoded[name] == pytest.approx(value, rel=0, abs=tolerance)
        else:
            assert decoded[name] == value


@given(distributions, st.integers(0, 2**32))
def test_samples_are_values_of_the_distribution(distribution, seed: int) -> None:
    space = Space({"x": distribution})
    for row in space.sample(np.random.default_rng(seed), 20):
        value = space.decode(row)["x"]
        assert distribution._contains(distribution.to_internal_repr(value))
        assert type(value) not in (np.float64, np.int64)


@given(distributions, st.integers(0, 2**32))
def test_unit_coordinates_keep_the_order_and_lead_back(distribution, seed: int) -> None:
    space = Space({"x": distribution})
    (axis,) = space.axes
    positions = np.sort(axis.sample(np.random.default_rng(seed), 20))
    units = axis.to_unit(positions)
    assert np.all((units >= 0) & (units <= 1))
    assert np.all(np.diff(units) >= 0)
    if axis.size is None or axis.size < 1000:
        assert np.array_equal(axis.from_unit(units), positions)


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (CategoricalDistribution([16, 1, 4]), [1, 4, 16]),
        (CategoricalDistribution([2.5, 1]), [1, 2.5]),
        (IntDistribution(3, 9, step=3), [3, 6, 9]),
        (FloatDistribution(0, 1, step=0.5), [0.0, 0.5, 1.0]),
    ],
)
def test_numbers_are_ordered_by_value(distribution, values: list) -> None:
    space = Space({"x": distribution})
    assert space.axes[0].ordered
    assert [space.decode(np.array([i]))["x"] for i in range(len(values))] == values


def test_an_unordered_choice_is_a_feature_of_its_own() -> None:
    space = Space({"x": CategoricalDistribution(["a", "b", "c"]), "y": IntDistribution(0, 4)})
    rows = np.array([[1, 2], [math.nan, 4]])
    expected = [[0, 1, 0, 0.5], [math.nan, math.nan, math.nan, 1]]
    assert np.array_equal(space.features(rows), expected, equal_nan=True)


def test_only_long_ordered_axes_are_circles() -> None:
    space = Space(
        {
            "rate": FloatDistribution(0, 1),
            "long": IntDistribution(0, 99),
            "short": IntDistribution(0, 9),
            "name": CategoricalDistribution([f"choice {i}" for i in range(40)]),
        }
    )
    assert space.feature_periods.tolist() == [1.0, 1.0, math.inf, *[math.inf] * 40]


@given(spaces(st.sampled_from([IntDistribution(0, 2), CategoricalDistribution("ab")]), 3))
def test_codes_enumerate_a_finite_space(distributions: dict) -> None:
    space = Space(distributions)
    assert space.n_points is not None
    rows = {tuple(space.row_of_code(code)) for code in range(space.n_points)}
    assert len(rows) == space.n_points
