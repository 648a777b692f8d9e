"""Search spaces and trials of any kind, for hypothesis."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

if TYPE_CHECKING:
    from collections.abc import Mapping


def _ordered(a: float, b: float) -> tuple[float, float]:
    return min(a, b), max(a, b)


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def float_distributions(draw: st.DrawFn) -> FloatDistribution:
    kind = draw(st.sampled_from(["plain", "log", "step"]))
    if kind == "log":
        return FloatDistribution(
            *_ordered(draw(floats(1e-9, 1e9)), draw(floats(1e-9, 1e9))), log=True
        )
    if kind == "step":
        low, step = draw(floats(-1e3, 1e3)), draw(st.sampled_from([0.1, 0.25, 3.0]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the range is not divisible to the last bit
            return FloatDistribution(low, low + draw(st.integers(1, 40)) * step, step=step)
    return FloatDistribution(*_ordered(draw(floats(-1e300, 1e300)), draw(floats(-1e300, 1e300))))


@st.composite
def int_distributions(draw: st.DrawFn, max_size: int = 2**40) -> IntDistribution:
    if draw(st.booleans()):
        low = draw(st.integers(1, 10**6))
        return IntDistribution(low, low + draw(st.integers(0, max_size - 1)), log=True)
    low, step = draw(st.integers(-(10**6), 10**6)), draw(st.integers(1, 7))
    return IntDistribution(low, low + step * draw(st.integers(0, max_size - 1)), step=step)


choices = st.lists(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-9, 9),
        st.floats(allow_nan=False),
        st.text(max_size=3),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda c: (str(type(c)), c),
)


def _distinguishable(values: list[Any]) -> bool:
    # To Optuna 1, 1.0 and True are one choice.
    return len({v for v in values if v is not None}) == sum(v is not None for v in values)


categorical_distributions = choices.filter(_distinguishable).map(CategoricalDistribution)

distributions = st.one_of(float_distributions(), int_distributions(), categorical_distributions)
finite_distributions = st.one_of(int_distributions(max_size=4), categorical_distributions)


def spaces(
    of: st.SearchStrategy[BaseDistribution] = distributions, max_size: int = 5
) -> st.SearchStrategy[dict[str, BaseDistribution]]:
    return st.dictionaries(st.sampled_from("abcdefgh"), of, min_size=1, max_size=max_size)


def values_of(distribution: BaseDistribution) -> st.SearchStrategy[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return st.sampled_from(distribution.choices)
    if isinstance(distribution, IntDistribution):
        n = (distribution.high - distribution.low) // distribution.step
        return st.integers(0, n).map(lambda i: distribution.low + i * distribution.step)
    assert isinstance(distribution, FloatDistribution)
    if distribution.step is not None:
        n = round((distribution.high - distribution.low) / distribution.step)
        step, high = distribution.step, distribution.high
        return st.integers(0, n).map(lambda i: min(distribution.low + i * step, high))
    return floats(distribution.low, distribution.high)


objective_values = st.one_of(
    floats(-1e300, 1e300), st.sampled_from([0.0, 1.0, 2.0, math.inf, -math.inf])
)


@st.composite
def trials(
    draw: st.DrawFn, space: Mapping[str, BaseDistribution], conditional: bool = True
) -> FrozenTrial:
    """A finished trial with all or, in a conditional space, some of the parameters."""
    names = list(space)
    if conditional:
        names = draw(st.lists(st.sampled_from(names), unique=True))
    state = draw(st.sampled_from([TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED]))
    return create_trial(
        state=state,
        value=draw(objective_values) if state == TrialState.COMPLETE else None,
        params={name: draw(values_of(space[name])) for name in names},
        distributions={name: space[name] for name in names},
    )
