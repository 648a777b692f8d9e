"""One step of the search: from the trials so far to the next configuration."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optuna_lfbo._acquisition import farthest, pick_diverse
from optuna_lfbo._history import Table, Tried, pending_rows
from optuna_lfbo._labels import label
from optuna_lfbo._model import Forest
from optuna_lfbo._moves import propose, select_incumbents

if TYPE_CHECKING:
    from optuna.study import StudyDirection

    from optuna_lfbo._history import History
    from optuna_lfbo._space import Array, Space


@dataclass(frozen=True)
class Settings:
    """What `LFBOSampler` is asked for, and the constants that were measured to be best."""

    n_startup_trials: int
    quantile: float
    n_trees: int = 100
    n_incumbents: int = 5
    n_moves: int = 500
    n_random: int = 100
    radius: float = 0.3
    similarity_penalty: float = 0.2
    batch_size: int = 5
    refit_growth: float = 0.04
    n_startup_candidates: int = 32


class Search:
    """The state of one study's search: a fitted model and a queue of ranked candidates.

    Both are shortcuts that the trials can always replace.

    Args:
        space: Search space of ``d`` parameters.
        direction: Whether values are minimised or maximised.
        settings: Sizes and shares.
    """

    def __init__(self, space: Space, direction: StudyDirection, settings: Settings) -> None:
        self.space = space
        self._settings = settings
        self._table = Table(space, direction)
        self._model: Forest | None = None
        self._n_fitted = 0
        self._best = np.inf
        self._queue: deque[Array] = deque()

    def ask(self, history: History, trial_number: int, rng: np.random.Generator) -> Array:
        """Next configuration, shape ``(d,)``: untried and not running while there is one."""
        self._table.update(history)
        pending = pending_rows(self.space, history.running, trial_number)
        blocked = self._table.tried.with_rows(pending)
        if len(self._table) < self._settings.n_startup_trials or not self._has_success():
            row = self._spread(pending, blocked, rng)
        else:
            row = self._best_move(pending, blocked, rng)
        return self._untried(blocked, rng) if row is None else row

    def _has_success(self) -> bool:
        return bool(np.isfinite(self._table.losses).any())

    def _spread(self, pending: Array, blocked: Tried, rng: np.random.Generator) -> Array | None:
        """A configuration far from all that were tried."""
        n = self._settings.n_startup_candidates
        candidates = blocked.exclude(self.space.sample(rng, n))
        if len(candidates) == 0:
            return None
        taken = self.space.features(np.concatenate([self._table.rows, pending]))
        choice: Array = candidates[farthest(self.space.features(candidates), taken)]
        return choice

    def _best_move(self, pending: Array, blocked: Tried, rng: np.random.Generator) -> Array | None:
        """The best of the ranked candidates that is still untried."""
        model = self._up_to_date_model(rng)
        for refill in (False, True):
            if refill:
                self._queue.extend(self._ranked(model, pending, blocked, rng))
            while self._queue:
                row = self._queue.popleft()
                if row not in blocked:
                    return row
        return None

    def _up_to_date_model(self, rng: np.random.Generator) -> Forest:
        """The model, fitted anew when enough trials have finished since the last fit."""
        losses = self._table.losses
        growth = len(losses) - self._n_fitted
        best = float(losses.min())
        if best < self._best:
            self._queue.clear()
            self._best = best
        if self._model is None or growth >= max(1.0, self._settings.refit_growth * len(losses)):
            labels = label(losses, self._settings.quantile)
            features = self.space.features(self._table.rows)
            seed = int(rng.integers(2**31))
            self._model = Forest(features, labels, seed, self._settings.n_trees)
            self._n_fitted = len(losses)
            self._queue.clear()
        return self._model

    def _ranked(
        self, model: Forest, pending: Array, blocked: Tried, rng: np.random.Generator
    ) -> list[Array]:
        """Untried moves around the incumbents and random configurations, the best few."""
        s = self._settings
        incumbents = select_incumbents(self._table.rows, self._table.losses, s.n_incumbents)
        incumbents = self.space.complete(incumbents, rng)
        moves = propose(self.space, incumbents, s.n_moves, s.radius, rng)
        rows = np.concatenate([moves, self.space.sample(rng, s.n_random)])
        candidates = blocked.exclude(rows)
        if len(candidates) == 0:
            return []
        features = self.space.features(candidates)
        picks = pick_diverse(
            model.score(features),
            model.leaves(features),
            model.leaves(self.space.features(pending)),
            s.batch_size,
            s.similarity_penalty,
        )
        return [candidates[i] for i in picks]

    def _untried(self, blocked: Tried, rng: np.random.Generator) -> Array:
        """Any untried configuration of an almost exhausted space; else any at all."""
        n_points = self.space.n_points
        if n_points is not None:
            start = int(rng.random() * n_points)
            for offset in range(min(n_points, len(blocked) + 1)):
                row = self.space.row_of_code((start + offset) % n_points)
                if row not in blocked:
                    return row
        anything: Array = self.space.sample(rng, 1)[0]
        return anything
