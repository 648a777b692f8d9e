"""Good configurations far from the best one, and what lies around them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optuna_lfbo._moves import n_changes, select_incumbents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optuna_lfbo._space import Array, Space


@dataclass(frozen=True)
class Niche:
    """The surroundings of one of several good configurations that are far from one another.

    Attributes:
        listed: The parameters that tell how far two configurations are from each other.
        centres: Those of the good configurations, best first, shape ``(k, len(listed))``.
        chosen: Index of the one whose surroundings these are.
    """

    listed: list[int]
    centres: Array
    chosen: int

    def has(self, rows: Array) -> NDArray[np.bool_]:
        """Whether no other centre is nearer to a row, for rows of shape ``(n, d)``."""
        of_rows = rows[:, self.listed]
        nearest = np.argmin([n_changes(of_rows, centre) for centre in self.centres], axis=0)
        return np.asarray(nearest == self.chosen)


def draw_niche(
    space: Space, rows: Array, losses: Array, n: int, distance: float, rng: np.random.Generator
) -> Niche | None:
    """Choose one of the ``n`` best configurations that are far from one another, but the best.

    Args:
        space: Search space of ``d`` parameters.
        rows: Positions of the trials, shape ``(m, d)``.
        losses: Their values to minimise, shape ``(m,)``.
        n: Configurations at most, with the best one.
        distance: How far they are, as a share of the listed parameters that differ.
        rng: Draws.

    Returns:
        None where there is only one.
    """
    listed = [j for j, axis in enumerate(space.axes) if axis.is_listed]
    n_different = max(2, math.ceil(distance * len(listed)))
    centres = select_incumbents(rows[:, listed], losses, n, n_different)
    if len(centres) < 2:
        return None
    return Niche(listed, centres, int(rng.integers(1, len(centres))))
