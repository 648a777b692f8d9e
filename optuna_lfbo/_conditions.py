"""Which parameters a configuration has, learned from those that complete trials had."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optuna_lfbo._space import Array, Space


@dataclass(frozen=True)
class _Node:
    """Rows that agree in some parameters.

    Attributes:
        absent: Which parameters none of them has, shape ``(d,)``.
        axis: The parameter whose value tells more of what they have, if there is one.
        children: Rows with each of its values.
    """

    absent: NDArray[np.bool_]
    axis: int | None = None
    children: dict[float, _Node] = field(default_factory=dict)


class Conditions:
    """A decision tree over the listed parameters that every row at a node has.

    Args:
        space: Search space of ``d`` parameters.
        rows: Complete trials, ``NaN`` where they lack a parameter, shape ``(n, d)``.
    """

    def __init__(self, space: Space, rows: Array) -> None:
        present = ~np.isnan(rows)
        # Of what no complete trial had, such as a parameter of a branch that always fails,
        # nothing is known.
        self._known = present.any(axis=0)
        self._listed = np.array([axis.is_listed for axis in space.axes], dtype=bool)
        self.are_there = not bool(present[:, self._known].all())
        self._root = self._grow(rows, present)

    def without_absent(self, rows: Array) -> Array:
        """Complete rows with ``NaN`` for what they are known to lack, shape as given."""
        if not self.are_there:
            return rows
        seen = rows.copy()
        self._mark(self._root, rows, np.arange(len(rows)), seen)
        return seen

    def _grow(self, rows: Array, present: NDArray[np.bool_]) -> _Node:
        absent = np.asarray(self._known & ~present.any(axis=0))
        best_axis, best = None, _n_undecided(present)
        for j in np.flatnonzero(self._listed & present.all(axis=0)) if best else ():
            groups = (present[rows[:, j] == value] for value in np.unique(rows[:, j]))
            undecided = sum(map(_n_undecided, groups))
            if undecided < best:
                best_axis, best = int(j), undecided
        if best_axis is None:
            return _Node(absent)
        column = rows[:, best_axis]
        children = {
            float(value): self._grow(rows[column == value], present[column == value])
            for value in np.unique(column)
        }
        return _Node(absent, best_axis, children)

    def _mark(self, node: _Node, rows: Array, where: NDArray[np.int64], seen: Array) -> None:
        seen[np.ix_(where, np.flatnonzero(node.absent))] = np.nan
        if node.axis is not None:
            for value, child in node.children.items():
                self._mark(child, rows, where[rows[where, node.axis] == value], seen)


def _n_undecided(present: NDArray[np.bool_]) -> int:
    """Rows times parameters that some of the rows have and others lack."""
    some = present.any(axis=0) & ~present.all(axis=0)
    return len(present) * int(some.sum())
