"""Tells when a small search space has nothing left to try."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any, Final, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._fragments import ParamValue
    from optuna_lfbo.helion.space import KernelSpace

# Helion takes some 0.3 ms to repair a configuration, and larger spaces have no end in sight.
_LARGEST: Final = 1000


class Exhaustion:
    """Knows all that there is to try in ``space``, unless that is too much.

    Parameters that give the same configuration count once.
    """

    def __init__(self, space: KernelSpace) -> None:
        self._all: frozenset[str] | None = None
        values = [_values(distribution) for distribution in space.distributions.values()]
        if math.prod(map(len, values)) <= _LARGEST:
            names = tuple(space.distributions)
            grid = (dict(zip(names, row, strict=True)) for row in itertools.product(*values))
            self._all = frozenset(_text(_canonical(space, params)) for params in grid)

    def is_reached(self, trials: Iterable[FrozenTrial]) -> bool:
        """Whether ``trials`` have tried everything."""
        return self._all is not None and self._all <= {_text(trial.params) for trial in trials}


def _values(distribution: BaseDistribution) -> Sequence[ParamValue]:
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    return cast("CategoricalDistribution", distribution).choices


def _canonical(space: KernelSpace, params: dict[str, ParamValue]) -> dict[str, ParamValue]:
    try:
        return space.canonical(params)
    except ValueError:
        # To the sampler, too, they stand for themselves then.
        return params


def _text(params: dict[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)
