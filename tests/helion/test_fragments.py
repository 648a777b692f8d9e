from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from helion.autotuner.config_fragment import (
    BlockSizeFragment,
    BooleanFragment,
    ConfigSpecFragment,
    EnumFragment,
    IntegerFragment,
    ListOf,
    NumThreadsFragment,
    NumWarpsFragment,
    PermutationFragment,
    PowerOfTwoFragment,
)
from optuna.distributions import CategoricalDistribution, IntDistribution

from optuna_lfbo.helion._fragments import codec_of

DISTRIBUTIONS: list[tuple[ConfigSpecFragment, dict[str, Any]]] = [
    (BlockSizeFragment(16, 256, 32), {"log2_k": IntDistribution(4, 8)}),
    (NumWarpsFragment(1, 32, 4), {"log2_k": IntDistribution(0, 5)}),
    (PowerOfTwoFragment(8, 8, 8), {}),
    (IntegerFragment(1, 8, 2), {"k": IntDistribution(1, 8)}),
    (IntegerFragment(3, 3, 3), {}),
    (BooleanFragment(), {"k": CategoricalDistribution((False, True))}),
    (EnumFragment((None, 2, 4)), {"k": CategoricalDistribution((None, 2, 4))}),
    (EnumFragment(("a",)), {}),
    (
        EnumFragment(("a", "b", "c"), search_choices=("b", "c")),
        {"k": CategoricalDistribution(("a", "b", "c"))},
    ),
    (
        EnumFragment(("a", "b", "c"), search_choices=("a", "c")),
        {"k": CategoricalDistribution(("a", "c"))},
    ),
    (
        EnumFragment(((1, 2), [3, {"x": None}])),
        {"k": CategoricalDistribution(("[1, 2]", '[3, {"x": null}]'))},
    ),
    # 1 == True, so Optuna could not tell these apart as they are.
    (EnumFragment((True, 1)), {"k": CategoricalDistribution(("true", "1"))}),
    (NumThreadsFragment(8), {"k": CategoricalDistribution((0, 1, 2, 4, 8))}),
    (PermutationFragment(1), {}),
    (PermutationFragment(2), {"k": CategoricalDistribution(("0,1", "1,0"))}),
    (PermutationFragment(5), {f"k.rank[{i}]": IntDistribution(0, 4) for i in range(5)}),
    (
        ListOf(BooleanFragment(), 2),
        {f"k[{i}]": CategoricalDistribution((False, True)) for i in range(2)},
    ),
    (
        ListOf(PowerOfTwoFragment(1, 4), 2),
        {f"log2_k[{i}]": IntDistribution(0, 2) for i in range(2)},
    ),
    (ListOf(EnumFragment(("pointer",)), 3), {}),
]


def _without_address(value: object) -> str:
    """Processes that share the tests have to call them the same."""
    return re.sub(r" object at 0x\w+", "", repr(value))


@pytest.mark.parametrize(("fragment", "expected"), DISTRIBUTIONS, ids=_without_address)
def test_distributions(fragment: ConfigSpecFragment, expected: dict[str, Any]) -> None:
    assert codec_of("k", fragment).distributions == expected


@pytest.mark.parametrize(
    "fragment", [fragment for fragment, _ in DISTRIBUTIONS], ids=_without_address
)
def test_the_default_and_random_values_survive_the_round_trip(
    fragment: ConfigSpecFragment,
) -> None:
    codec = codec_of("k", fragment)
    for value in [fragment.default(), *(fragment.random() for _ in range(20))]:
        params = codec.encode(value)
        assert params.keys() == codec.distributions.keys()
        decoded = codec.decode(params)
        assert decoded == value
        assert type(decoded) is type(value)


@pytest.mark.parametrize(
    ("fragment", "seeds", "expected"),
    [
        (BlockSizeFragment(16, 256, 32), [1, 64, 1024], {"log2_k": IntDistribution(0, 10)}),
        (PowerOfTwoFragment(8, 8, 8), [4], {"log2_k": IntDistribution(2, 3)}),
        (IntegerFragment(1, 8, 2), [0, 9], {"k": IntDistribution(0, 9)}),
        (EnumFragment(("a", "b")), ["c"], {"k": CategoricalDistribution(("a", "b", "c"))}),
        (
            NumThreadsFragment(4),
            [96],
            {"k": CategoricalDistribution((0, 1, 2, 4, 96))},
        ),
        (
            ListOf(IntegerFragment(0, 4), 2),
            [[0, 5], [0, 6]],
            {"k[0]": IntDistribution(0, 4), "k[1]": IntDistribution(0, 6)},
        ),
    ],
    ids=_without_address,
)
def test_the_values_of_seeds_are_in_the_space(
    fragment: ConfigSpecFragment, seeds: list[Any], expected: dict[str, Any]
) -> None:
    codec = codec_of("k", fragment, seeds)
    assert codec.distributions == expected
    for seed in seeds:
        assert codec.decode(codec.encode(seed)) == seed


@pytest.mark.parametrize("length", [4, 5])
def test_every_permutation_survives_the_round_trip(length: int) -> None:
    codec = codec_of("k", PermutationFragment(length))
    for order in itertools.permutations(range(length)):
        assert codec.decode(codec.encode(list(order))) == list(order)


def test_equal_ranks_keep_the_elements_in_order() -> None:
    codec = codec_of("k", PermutationFragment(5))
    ranks = dict(zip(codec.distributions, [3, 3, 0, 3, 1], strict=True))
    assert codec.decode(ranks) == [2, 4, 0, 1, 3]


@pytest.mark.parametrize(
    ("fragment", "value", "expected"),
    [
        (BlockSizeFragment(16, 256, 32), 96, "a power of two"),
        (BlockSizeFragment(16, 256, 32), 512, r"an integer in \[4, 8\]"),
        (IntegerFragment(1, 8, 2), 9, r"an integer in \[1, 8\]"),
        (IntegerFragment(3, 3, 3), 4, "only 3"),
        (EnumFragment(("a", "b")), "c", r"one of \('a', 'b'\)"),
        (EnumFragment((0, 1)), True, r"one of \(0, 1\)"),
        (PermutationFragment(3), [0, 0, 1], "one of"),
        (PermutationFragment(6), [0, 1, 2, 3, 4, 4], "a permutation of 6 elements"),
        (ListOf(BooleanFragment(), 2), [True], "a list of 2 values"),
        (NumThreadsFragment(8), 3, "one of"),
    ],
    ids=_without_address,
)
def test_a_value_outside_the_space_is_refused(
    fragment: ConfigSpecFragment, value: object, expected: str
) -> None:
    with pytest.raises(ValueError, match=f"cannot be .* it takes {expected}"):
        codec_of("k", fragment).encode(value)


def test_an_unknown_fragment_is_named() -> None:
    class StrangeFragment(ConfigSpecFragment):
        pass

    with pytest.raises(NotImplementedError, match="StrangeFragment at 'some_key'"):
        codec_of("some_key", StrangeFragment())
