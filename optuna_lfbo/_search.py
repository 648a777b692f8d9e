"""One step of the search: from the trials so far to the next configuration."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from optuna_lfbo._acquisition import farthest, log_expected_improvement, pick_batch
from optuna_lfbo._canonical import Representatives
from optuna_lfbo._conditions import Conditions
from optuna_lfbo._copies import originals
from optuna_lfbo._history import Table, Tried, pending_rows
from optuna_lfbo._kernel import RankModel
from optuna_lfbo._labels import label
from optuna_lfbo._model import Forest
from optuna_lfbo._moves import propose, select_incumbents
from optuna_lfbo._niches import draw_niche

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from optuna.study import StudyDirection

    from optuna_lfbo._canonical import Canonical
    from optuna_lfbo._history import History
    from optuna_lfbo._niches import Niche
    from optuna_lfbo._settings import Settings
    from optuna_lfbo._space import Array, Space

    Constraint: TypeAlias = Callable[[dict[str, Any]], bool]

_MOST_REFUSALS = 10_000
"""Rows in vain, refused or the same as tried ones, before the walk to an untried one ends."""


@dataclass(frozen=True)
class _Start:
    """Where the moves of a ranking start from.

    Attributes:
        incumbents: The best configurations there, shape ``(k, d)``.
        fixed: Positions to keep to, ``NaN`` where any is good, shape ``(d,)``.
        is_niche: Whether it is not where the best trial is.
        rivals: Running trials there, shape ``(p, d)``.
    """

    incumbents: Array
    fixed: Array
    is_niche: bool
    rivals: Array


class Search:
    """The state of one study's search: two fitted models and a queue of ranked candidates.

    All are shortcuts that the trials can always replace.

    Args:
        space: Search space of ``d`` parameters.
        direction: Whether values are minimised or maximised.
        settings: Sizes and shares.
        constraint: Whether a configuration may be proposed.
        canonical: Which configuration stands for another one.
        classifier: Learns which trials are good, in place of the forest.
    """

    def __init__(
        self,
        space: Space,
        direction: StudyDirection,
        settings: Settings,
        constraint: Constraint | None,
        canonical: Canonical | None,
        classifier: Any = None,
    ) -> None:
        self.space = space
        self._classifier = classifier
        self._settings = settings
        self._constraint = constraint
        self._representatives = Representatives(space, canonical)
        self._table = Table(space, direction, self._representatives)
        self._models: tuple[Forest, RankModel] | None = None
        self._conditions = Conditions(space, self._table.rows)
        self._n_fitted = 0
        self._best = np.inf
        self._queue: deque[Array] = deque()

    def ask(self, history: History, trial_number: int, rng: np.random.Generator) -> Array:
        """Next configuration, shape ``(d,)``: untried and not running while there is one."""
        self._table.update(history)
        pending = self._representatives.of_rows(
            pending_rows(self.space, history.running, trial_number)
        )
        blocked = self._table.tried.with_rows(pending)
        if len(self._table) < self._settings.n_startup_trials or not self._table.has_success:
            row = self._spread(pending, blocked, rng)
        else:
            row = self._best_move(pending, blocked, rng)
        return self._untried(blocked, rng) if row is None else row

    def _spread(self, pending: Array, blocked: Tried, rng: np.random.Generator) -> Array | None:
        """A configuration far from all that were tried."""
        n = self._settings.n_startup_candidates
        anywhere = self._representatives.of_rows(self.space.sample(rng, n))
        candidates = self._open(anywhere, blocked)
        if len(candidates) == 0:
            return None
        taken = self.space.features(np.concatenate([self._table.rows, pending]))
        features = self.space.features(candidates)
        choice: Array = candidates[farthest(features, taken, self.space.feature_periods)]
        return choice

    def _best_move(self, pending: Array, blocked: Tried, rng: np.random.Generator) -> Array | None:
        """The best of the ranked candidates that is still untried."""
        n_picks, growth = self._effort(len(pending))
        forest, model = self._up_to_date_models(growth, rng)
        row = self._queued(blocked)
        if row is None:
            start = self._start(pending, rng)
            goal = self._goal(model, start)
            candidates = self._candidates(start, forest, blocked, rng)
            if self._representatives.are_given and len(candidates):
                candidates = self._represented(model, goal, candidates, blocked)
            if len(candidates) == 0:
                return None
            running, seen = map(self._conditions.without_absent, (pending, candidates))
            picks = pick_batch(model, running, seen, goal, n_picks)
            self._queue.extend(candidates[i] for i in picks)
            row = self._queued(blocked)
        return row

    def _queued(self, blocked: Tried) -> Array | None:
        """The first of the queue that nobody has tried meanwhile."""
        while self._queue:
            row = self._queue.popleft()
            if row not in blocked:
                return row
        return None

    def _effort(self, n_pending: int) -> tuple[int, float]:
        """Picks of a ranking, and the share of new trials after which models are fitted anew."""
        s = self._settings
        # While other trials are running, an ask must not take long, and without lists of values
        # more effort was measured to gain nothing.
        if n_pending or not self.space.is_listed:
            return s.batch_size, s.refit_growth
        return 1, s.refit_growth_alone

    def _up_to_date_models(
        self, growth: float, rng: np.random.Generator
    ) -> tuple[Forest, RankModel]:
        """Both models, fitted anew when the trials have grown by ``growth`` since the last fit."""
        losses = self._table.losses
        best = float(losses.min())
        if best < self._best:
            self._queue.clear()
            self._best = best
        n_new = len(losses) - self._n_fitted
        if self._models is None or n_new >= max(1.0, growth * len(losses)):
            self._models = self._fitted_models(rng)
            self._n_fitted = len(losses)
            self._queue.clear()
        return self._models

    def _fitted_models(self, rng: np.random.Generator) -> tuple[Forest, RankModel]:
        s = self._settings
        rows, losses = self._table.rows, self._table.losses
        self._conditions = Conditions(self.space, rows[np.isfinite(losses)])
        seed = int(rng.integers(2**31))
        labels = label(losses, s.quantile)
        forest = Forest(self.space.features(rows), labels, seed, s.n_trees, self._classifier)
        start = self._models[1].hyperparameters if self._models else None
        some = _telling(losses, s.n_kernel_trials, rng)
        least, most = s.n_kernel_steps
        n_steps = min(max(least, (len(losses) - self._n_fitted) // 2), most)
        model = RankModel(self.space, rows[some], losses[some], start, n_steps)
        return forest, model

    def _start(self, pending: Array, rng: np.random.Generator) -> _Start:
        """Where the moves of a ranking start from."""
        fixed = self._branch(rng)
        rows, losses = self._table.rows, self._table.losses
        niche = self._niche(len(pending), rng) if np.isnan(fixed).all() else None
        if niche is None:
            here, rivals = ~(rows != fixed)[:, ~np.isnan(fixed)].any(axis=1), pending
        else:
            here, rivals = niche.has(rows), pending[niche.has(pending)]
        distance = min(2, len(self.space.axes))
        best = select_incumbents(rows[here], losses[here], self._settings.n_best, distance)
        return _Start(self.space.complete(best, rng), fixed, niche is not None, rivals)

    def _niche(self, n_pending: int, rng: np.random.Generator) -> Niche | None:
        """Surroundings to search in place of those of the best trial, if any.

        The longer the best has not been beaten, the more rankings go elsewhere: what its
        surroundings have to give is found by then, and another place may have more. So do some of
        many that run at a time in a space of many parameters, late in a study: their many small
        improvements would else never let it leave the best.
        """
        s = self._settings
        in_vain = s.niche_patience / max(self._table.n_vain, 1)
        late = s.n_trials_at_best / max(len(self._table), 1)
        few = s.n_running_at_best / max(n_pending * len(self.space.axes), 1)
        at_best = min(in_vain, max(late, few))
        if rng.random() >= 1.0 - at_best:
            return None
        rows, losses = self._table.rows, self._table.losses
        return draw_niche(self.space, rows, losses, s.n_niches, s.niche_distance, rng)

    def _candidates(
        self, start: _Start, forest: Forest, blocked: Tried, rng: np.random.Generator
    ) -> Array:
        """Untried moves and random configurations that pass the forest's filter."""
        s = self._settings
        n_moves = s.n_moves if len(start.incumbents) else 0
        moves = propose(self.space, start.incumbents, n_moves, s.radius, rng)
        n_random = s.n_random_listed if self.space.is_listed else s.n_random
        elsewhere = self.space.sample(rng, 0 if start.is_niche else n_random)
        anywhere = np.concatenate([moves, elsewhere])
        candidates = self._open(np.where(np.isnan(start.fixed), anywhere, start.fixed), blocked)
        if len(candidates) == 0:  # the branch or the niche is exhausted
            candidates = self._open(self.space.sample(rng, s.n_moves), blocked)
        seen = self._conditions.without_absent(candidates)
        scores = forest.score(self.space.features(seen))
        n_kept = int(np.ceil(s.kept_share * len(candidates)))
        kept: Array = candidates[np.sort(np.argsort(-scores, kind="stable")[:n_kept])]
        return kept

    def _branch(self, rng: np.random.Generator) -> Array:
        """Positions to keep to, ``NaN`` where any is good, shape ``(d,)``.

        In a conditional space every other ranking, on average, keeps to one value of a choice
        that every successful trial has made: what depends on it has to be searched before its
        values can be compared.
        """
        fixed = np.full(len(self.space.axes), np.nan)
        # A failed trial may lack parameters only because it broke off.
        missing = np.isnan(self._table.rows[np.isfinite(self._table.losses)]).any(axis=0)
        if missing.any() and rng.random() < self._settings.branch_share:
            choices = np.array([axis.is_choice for axis in self.space.axes])
            roots = np.flatnonzero(choices & ~missing)
            if len(roots):
                root = int(rng.choice(roots))
                fixed[root] = self.space.axes[root].sample(rng, 1)[0]
        return fixed

    def _goal(self, model: RankModel, start: _Start) -> float:
        """Score to improve on: that of the best there, be it expected of a running trial."""
        rows = [start.rivals, start.incumbents] if start.is_niche else [start.rivals]
        known = self._conditions.without_absent(np.concatenate(rows))
        best = math.inf if start.is_niche else model.best
        return best if len(known) == 0 else min(best, float(model.posterior(known).mean.min()))

    def _represented(
        self, model: RankModel, goal: float, candidates: Array, blocked: Tried
    ) -> Array:
        """Untried representatives of the candidates, from the most promising one on.

        Not of all candidates, for ``canonical`` may be slow.
        """
        n = self._settings.n_representatives
        mean, variance, _ = model.posterior(self._conditions.without_absent(candidates))
        promise = log_expected_improvement(mean, variance, goal)
        order = np.argsort(-promise, kind="stable")
        found = candidates[:0]
        for start in range(0, len(order), n):
            some = self._representatives.of_rows(candidates[order[start : start + n]])
            found = blocked.exclude(np.concatenate([found, self._open(some, blocked)]))
            if len(found) >= n:
                break
        return found

    def _open(self, rows: Array, blocked: Tried) -> Array:
        """The distinct rows that may be proposed, in order."""
        rows = blocked.exclude(rows)
        return rows[[self._is_allowed(row) for row in rows]] if self._constraint else rows

    def _is_allowed(self, row: Array) -> bool:
        return self._constraint is None or bool(self._constraint(self.space.decode(row)))

    def _untried(self, blocked: Tried, rng: np.random.Generator) -> Array:
        """Any untried configuration of an almost exhausted space; else any at all."""
        for row in map(self._representatives.of_row, self._walk(blocked, rng)):
            if row not in blocked and self._is_allowed(row):
                return row
        return self._representatives.of_row(self.space.sample(rng, 1)[0])

    def _walk(self, blocked: Tried, rng: np.random.Generator) -> Iterator[Array]:
        """As many rows as it takes to meet one that may be proposed, or to give up."""
        n_points = self.space.n_points
        if n_points is None:
            return
        n_steps = len(blocked) + 1
        if self._constraint is not None or self._representatives.are_given:
            n_steps += _MOST_REFUSALS
        start = int(rng.random() * n_points)
        for offset in range(min(n_points, n_steps)):
            yield self.space.row_of_code((start + offset) % n_points)


def _telling(losses: Array, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of the best half of ``n`` trials, without copies, and of random others."""
    order = np.argsort(losses, kind="stable")
    if len(order) <= n:
        return order
    is_original = originals(losses)[order]
    best = order[is_original][: n // 2]
    others = order[~np.isin(order, best)]
    return np.concatenate([best, rng.choice(others, n - len(best), False)])
