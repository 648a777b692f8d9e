"""Representatives: one row for all configurations that are the same in effect."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from optuna_lfbo._space import is_value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optuna_lfbo._space import Array, Space

    Canonical: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]

_MOST_KEPT = 20_000
"""Rows whose representative is remembered."""


class Representatives:
    """Finds the row that stands for a configuration, by what the user says is the same.

    Args:
        space: Search space of ``d`` parameters.
        canonical: Maps parameters to those that stand for them, or None where every
            configuration stands for itself.
    """

    def __init__(self, space: Space, canonical: Canonical | None) -> None:
        self.are_given = canonical is not None
        self._space = space
        self._canonical = canonical
        self._remembered = lru_cache(_MOST_KEPT)(self._computed)

    def of_row(self, row: Array) -> Array:
        """Representative of a row, shape ``(d,)``.

        A row that misses a parameter, or lies outside of today's ranges, stands for itself.
        """
        if not self.are_given or not self._space.contains(row):
            return row
        return self._remembered(row.tobytes())

    def of_rows(self, rows: Array) -> Array:
        """Representatives of rows, shape ``(n, d)``."""
        return np.array([self.of_row(row) for row in rows]).reshape(rows.shape)

    def _computed(self, key: bytes) -> Array:
        row = np.frombuffer(key)
        given = self._space.decode(row)
        assert self._canonical is not None
        try:
            params = self._canonical(dict(given))
        except ValueError:
            return row
        self._check(given, params)
        # What stays the same keeps its position to the last bit.
        encoded = self._space.encode(params)
        same = [params[name] == value for name, value in given.items()]
        return np.where(same, row, encoded)

    def _check(self, given: dict[str, Any], params: Mapping[str, Any]) -> None:
        distributions = self._space.distributions
        if params.keys() != given.keys():
            raise ValueError(
                f"canonical({given!r}) returned {params!r}: expected the same parameters."
            )
        for name, value in params.items():
            if not is_value_of(distributions[name], value):
                raise ValueError(
                    f"canonical({given!r}) returned {name}={value!r}: expected a value of "
                    f"{distributions[name]!r}."
                )
