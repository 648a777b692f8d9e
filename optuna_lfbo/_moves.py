"""Pattern-search moves: incumbents -> candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optuna_lfbo._copies import originals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optuna_lfbo._space import Array, Axis, Space

_OBLIQUE_RADIUS = 0.1
"""Largest standard deviation of a move along all long and continuous axes."""

_MOST_RANKED = 1000
"""Trials that may become incumbents."""


def select_incumbents(rows: Array, losses: Array, n: int, min_changes: int) -> Array:
    """The best rows that differ from one another, and in their losses, best first.

    Args:
        rows: Shape ``(m, d)``.
        losses: Values to minimise, shape ``(m,)``; infinite ones are never incumbents.
        n: How many to return at most.
        min_changes: Parameters in which any two incumbents differ.

    Returns:
        Rows of shape ``(k, d)`` with ``k <= n``.
    """
    order = np.argsort(losses, kind="stable")[: int(np.isfinite(losses).sum())]
    order = order[originals(losses[order])]
    ranked = rows[order[:_MOST_RANKED]]
    far = np.ones(len(ranked), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < n and far.any():
        chosen.append(int(np.argmax(far)))
        far &= n_changes(ranked, ranked[chosen[-1]]) >= min_changes
    return ranked[chosen]


def n_changes(rows: Array, row: Array) -> NDArray[np.int64]:
    """In how many parameters each of the rows, shape ``(n, d)``, differs from one, ``(d,)``."""
    same = (rows == row) | (np.isnan(rows) & np.isnan(row))
    return np.asarray((~same).sum(axis=1))


def propose(
    space: Space, incumbents: Array, n: int, radius: float, rng: np.random.Generator
) -> Array:
    """Change a few parameters of the incumbents.

    Half of the changes are small steps on the parameter's own scale, as Helion's
    ``PatternSearch`` makes them on its fragments; the other half, and all on unordered axes,
    jump to any other value of a finite axis. Half of the moves go along all long and
    continuous axes at once: in a smooth valley one axis at a time is slow.

    Args:
        space: Search space of ``d`` parameters.
        incumbents: Complete rows, shape ``(k, d)``.
        n: Number of moves.
        radius: Largest step on an ordered axis, as a share of the axis; a neighbouring grid
            point is always within reach.
        rng: Source of randomness.

    Returns:
        Rows of shape ``(n, d)``, the incumbents taking turns.
    """
    d = len(space.axes)
    rows = incumbents[np.arange(n) % max(len(incumbents), 1)].copy()
    size = np.minimum(rng.geometric(0.5, n), d)
    change = np.argsort(rng.random((n, d)), axis=1).argsort(axis=1) < size[:, None]
    oblique = rng.random(n) < 0.5
    lengths = _OBLIQUE_RADIUS * _fineness(n, rng)
    for j, axis in enumerate(space.axes):
        moved = change[:, j]
        if not axis.is_listed:
            moved = moved & ~oblique
            steps = lengths * rng.standard_normal(n)
            rows[oblique, j] = _shifted(axis, rows[oblique, j], steps[oblique])
        rows[moved, j] = _step(axis, rows[moved, j], radius, rng)
    return rows


def _fineness(n: int, rng: np.random.Generator) -> Array:
    """Log-uniform factors: coarse and fine moves alike, whatever the scale of the optimum."""
    return np.asarray(10.0 ** -rng.uniform(0, 2, n))


def _shifted(axis: Axis, positions: Array, steps: Array) -> Array:
    """Positions shifted by steps in unit coordinates, reflected at the ends of the axis."""
    units = np.abs(axis.to_unit(positions) + steps)
    return axis.from_unit(np.where(units > 1.0, 2.0 - units, units))


def _step(axis: Axis, positions: Array, radius: float, rng: np.random.Generator) -> Array:
    """Another position on one axis for each of the given ones, shape ``(n,)``."""
    if axis.size == 1:
        return positions
    if not axis.ordered:
        return _jump(axis, positions, rng)
    n = len(positions)
    sign = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    moved = axis.from_unit(axis.to_unit(positions) + sign * radius * _fineness(n, rng))
    if axis.size is None:
        return moved
    outside = (positions + sign < 0) | (positions + sign > axis.size - 1)
    neighbour = positions + np.where(outside, -sign, sign)
    stepped = np.where(moved == positions, neighbour, moved)
    return np.where(rng.random(n) < 0.5, _jump(axis, positions, rng), stepped)


def _jump(axis: Axis, positions: Array, rng: np.random.Generator) -> Array:
    """Any other position on a finite axis."""
    assert axis.size is not None
    return (positions + rng.integers(1, axis.size, len(positions))) % axis.size
