"""Fragments of Helion's search space as Optuna distributions, and their values both ways.

A codec stands for one slot of Helion's flat configuration. It names one or more Optuna
parameters (none when the slot has a single possible value), makes the slot's value out of
theirs (:meth:`Codec.decode`) and theirs out of the slot's (:meth:`Codec.encode`).
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from optuna_lfbo.helion import _compat_space

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ParamValue: TypeAlias = bool | int | float | str | None

# 4! = 24 orders are still a categorical one can read; 5! = 120 are not.
_LONGEST_LISTED_PERMUTATION = 4


class Codec(Protocol):
    """One slot of a flat Helion configuration in terms of Optuna parameters."""

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The slot's parameters by name, in a fixed order."""
        ...

    def decode(self, params: Mapping[str, ParamValue]) -> object:
        """Return the slot's value; raise ValueError for a parameter out of its range."""
        ...

    def encode(self, value: object) -> dict[str, ParamValue]:
        """Return the parameters of a slot's value; raise ValueError if there are none."""
        ...


@dataclass(frozen=True)
class _Constant:
    name: str
    value: object

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {}

    def decode(self, params: Mapping[str, ParamValue]) -> object:
        return self.value

    def encode(self, value: object) -> dict[str, ParamValue]:
        if _json_text(value) != _json_text(self.value):
            raise _not_in_space(self.name, value, f"only {self.value!r}")
        return {}


@dataclass(frozen=True)
class _Integer:
    name: str
    low: int
    high: int

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {self.name: IntDistribution(self.low, self.high)}

    def decode(self, params: Mapping[str, ParamValue]) -> int:
        return self._checked(params[self.name])

    def encode(self, value: object) -> dict[str, ParamValue]:
        return {self.name: self._checked(value)}

    def _checked(self, value: object) -> int:
        if not isinstance(value, int) or not self.low <= value <= self.high:
            raise _not_in_space(self.name, value, f"an integer in [{self.low}, {self.high}]")
        return value


@dataclass(frozen=True)
class _PowerOfTwo:
    exponent: _Integer

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return self.exponent.distributions

    def decode(self, params: Mapping[str, ParamValue]) -> int:
        return 1 << self.exponent.decode(params)

    def encode(self, value: object) -> dict[str, ParamValue]:
        if not _is_power_of_two(value):
            raise _not_in_space(self.exponent.name, value, "a power of two")
        return self.exponent.encode(value.bit_length() - 1)


@dataclass(frozen=True)
class _Choice:
    name: str
    labels: tuple[ParamValue, ...]
    values: tuple[object, ...]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {self.name: CategoricalDistribution(self.labels)}

    @cached_property
    def _label_of(self) -> dict[str, ParamValue]:
        return dict(zip(map(_json_text, self.values), self.labels, strict=True))

    def decode(self, params: Mapping[str, ParamValue]) -> object:
        label = params[self.name]
        if label not in self.labels:
            raise _not_in_space(self.name, label, f"one of {self.labels!r}")
        return self.values[self.labels.index(label)]

    def encode(self, value: object) -> dict[str, ParamValue]:
        try:
            return {self.name: self._label_of[_json_text(value)]}
        except KeyError:
            raise _not_in_space(self.name, value, f"one of {self.values!r}") from None


@dataclass(frozen=True)
class _Ranks:
    """A long permutation: element i stands at the place of its rank, ties by index."""

    ranks: tuple[_Integer, ...]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return _merged(rank.distributions for rank in self.ranks)

    def decode(self, params: Mapping[str, ParamValue]) -> list[int]:
        ranks = [rank.decode(params) for rank in self.ranks]
        return sorted(range(len(ranks)), key=ranks.__getitem__)

    def encode(self, value: object) -> dict[str, ParamValue]:
        order = list(cast("Sequence[int]", value))
        if sorted(order) != list(range(len(self.ranks))):
            raise _not_in_space(
                self.ranks[0].name, value, f"a permutation of {len(self.ranks)} elements"
            )
        return _merged(rank.encode(order.index(i)) for i, rank in enumerate(self.ranks))


@dataclass(frozen=True)
class _List:
    name: str
    elements: tuple[Codec, ...]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return _merged(element.distributions for element in self.elements)

    def decode(self, params: Mapping[str, ParamValue]) -> list[object]:
        return [element.decode(params) for element in self.elements]

    def encode(self, value: object) -> dict[str, ParamValue]:
        if not isinstance(value, list | tuple) or len(value) != len(self.elements):
            raise _not_in_space(self.name, value, f"a list of {len(self.elements)} values")
        pairs = zip(self.elements, value, strict=True)
        return _merged(element.encode(item) for element, item in pairs)


def codec_of(name: str, fragment: object, seeds: Sequence[object] = ()) -> Codec:
    """Return the codec of one Helion fragment.

    Args:
        name: The configuration key, with the index of the entry if it is a list's.
        fragment: An instance of one of Helion's fragment classes.
        seeds: Values that must have parameters even if they lie outside what Helion's own
            searches draw from, as many of the compiler's block sizes do.

    Raises:
        NotImplementedError: Helion uses a fragment class that is not known here.
    """
    match fragment:
        case _compat_space.PowerOfTwoFragment():
            return _power_of_two(name, fragment.low, fragment.high, seeds)
        case _compat_space.IntegerFragment():
            return _integer(name, fragment.low, fragment.high, seeds)
        case _compat_space.BooleanFragment():
            return _choice(name, (False, True))
        case _compat_space.EnumFragment():
            return _choice(name, (*_compat_space.searched_choices(fragment), *seeds))
        case _compat_space.NumThreadsFragment():
            # 0 leaves the number to Helion, so the exponents alone would not do.
            powers = (1 << exponent for exponent in range(fragment.high.bit_length()))
            return _choice(name, (0, *powers, *seeds))
        case _compat_space.PermutationFragment():
            return _permutation(name, fragment.length)
        case _compat_space.ListOf():
            return _list(name, fragment, seeds)
    raise NotImplementedError(
        f"Helion's search space has a fragment of the unknown class "
        f"{type(fragment).__name__} at {name!r}; a newer optuna_lfbo may know it."
    )


def _list(name: str, fragment: _compat_space.ListOf, seeds: Sequence[object]) -> Codec:
    columns = zip(*cast("Sequence[Sequence[object]]", seeds), strict=True)
    seeds_of = dict(enumerate(columns))
    elements = (
        codec_of(f"{name}[{i}]", fragment.inner, seeds_of.get(i, ()))
        for i in range(fragment.length)
    )
    return _List(name, tuple(elements))


def _power_of_two(name: str, low: int, high: int, seeds: Sequence[object]) -> Codec:
    if not (_is_power_of_two(low) and _is_power_of_two(high)):
        raise ValueError(f"The bounds of {name!r} must be powers of two, got [{low}, {high}].")
    values = [low, high, *filter(_is_power_of_two, seeds)]
    low, high = min(values), max(values)
    if low == high:
        return _Constant(name, low)
    return _PowerOfTwo(_Integer(f"log2_{name}", low.bit_length() - 1, high.bit_length() - 1))


def _integer(name: str, low: int, high: int, seeds: Sequence[object]) -> Codec:
    values = [low, high, *(seed for seed in seeds if type(seed) is int)]
    low, high = min(values), max(values)
    return _Constant(name, low) if low == high else _Integer(name, low, high)


def _choice(name: str, values: Sequence[object]) -> Codec:
    values = tuple({_json_text(value): value for value in values}.values())
    if len(values) == 1:
        return _Constant(name, values[0])
    labels = tuple(_label(value) for value in values)
    if len(set(labels)) < len(labels):
        # Optuna finds a choice by ==, and True == 1 == 1.0.
        labels = tuple(_json_text(value) for value in values)
    return _Choice(name, labels, values)


def _permutation(name: str, length: int) -> Codec:
    if length < 2:
        return _Constant(name, list(range(length)))
    if length > _LONGEST_LISTED_PERMUTATION:
        return _Ranks(tuple(_Integer(f"{name}.rank[{i}]", 0, length - 1) for i in range(length)))
    orders = [list(order) for order in itertools.permutations(range(length))]
    labels = tuple(",".join(map(str, order)) for order in orders)
    return _Choice(name, labels, tuple(orders))


def _label(value: object) -> ParamValue:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return _json_text(value)


def _json_text(value: object) -> str:
    return json.dumps(value, default=repr)


def _is_power_of_two(value: object) -> TypeGuard[int]:
    return type(value) is int and value > 0 and value & (value - 1) == 0


def _not_in_space(name: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{name} cannot be {value!r} in this search space; it takes {expected}.")


def _merged(parts: Any) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}
