"""What a study's trials tell: kept up to date trial by trial, so that an ask stays cheap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_lfbo._space import is_value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_lfbo._canonical import Representatives
    from optuna_lfbo._space import Array, Space

RELATIVE_PARAMS_KEY = "lfbo:relative_params"
"""System attribute with the parameters a running trial is about to be given."""


class History:
    """Finished and running trials of one study.

    Attributes:
        finished: Finished trials in the order in which they were first seen.
        running: Trials that run now.
        distributions: Union of the parameters seen, each with its latest distribution; those of
            running trials count as long as no finished one has had them.
    """

    def __init__(self) -> None:
        self.finished: list[FrozenTrial] = []
        self.running: list[FrozenTrial] = []
        self.distributions: dict[str, BaseDistribution] = {}
        self._n_seen = 0
        self._unfinished: list[int] = []

    def update(self, study: Study) -> None:
        """Read what has happened since the last call."""
        trials = study.get_trials(deepcopy=False)
        numbers = [*self._unfinished, *range(self._n_seen, len(trials))]
        self._n_seen = len(trials)
        self._unfinished = [i for i in numbers if not trials[i].state.is_finished()]
        self.running = [
            trials[i] for i in self._unfinished if trials[i].state == TrialState.RUNNING
        ]
        for trial in self.running:
            self.distributions = {**trial.distributions, **self.distributions}
        for trial in (trials[i] for i in numbers if trials[i].state.is_finished()):
            self.finished.append(trial)
            for name, distribution in trial.distributions.items():
                self.distributions[name] = distribution


class Table:
    """Finished trials as arrays over one search space.

    Args:
        space: Search space of ``d`` parameters.
        direction: Whether values are minimised or maximised.
        representatives: Tells which row stands for a trial's.

    Attributes:
        rows: Positions, ``NaN`` where a trial did not have a parameter, shape ``(n, d)``.
        losses: Values to minimise, infinite for failed and pruned trials, shape ``(n,)``.
        tried: Configurations that need no second trial.
        has_success: Whether any loss is finite.
        n_vain: Trials that began when the best one had finished, and are not better.
    """

    def __init__(
        self, space: Space, direction: StudyDirection, representatives: Representatives
    ) -> None:
        self.space = space
        self._representatives = representatives
        self.tried = Tried(len(space.axes))
        self._sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
        self.has_success = False
        self.n_vain = 0
        self._best: FrozenTrial | None = None
        self._best_loss = math.inf
        self._n_seen = 0
        self._n_rows = 0
        self._buffer = np.empty((64, len(space.axes) + 1))

    def update(self, history: History) -> None:
        """Add the trials that have finished since the last call."""
        for trial in history.finished[self._n_seen :]:
            row = encode_params(self.space, trial.params, trial.distributions)
            if not np.isnan(row).all():
                row = self._representatives.of_row(row)
                loss = self._loss(trial)
                self._append(row, loss)
                self._compare(trial, loss)
                if trial.params.keys() <= self.space.distributions.keys():
                    self.tried.add(row, whole=trial.state == TrialState.COMPLETE)
        self._n_seen = len(history.finished)

    def __len__(self) -> int:
        return self._n_rows

    @property
    def rows(self) -> Array:
        return self._buffer[: self._n_rows, :-1]

    @property
    def losses(self) -> Array:
        return self._buffer[: self._n_rows, -1]

    def _append(self, row: Array, loss: float) -> None:
        if self._n_rows == len(self._buffer):
            self._buffer = np.concatenate([self._buffer, np.empty_like(self._buffer)])
        self._buffer[self._n_rows, :-1] = row
        self._buffer[self._n_rows, -1] = loss
        self._n_rows += 1
        self.has_success |= math.isfinite(loss)

    def _compare(self, trial: FrozenTrial, loss: float) -> None:
        if loss < self._best_loss:
            self._best, self._best_loss, self.n_vain = trial, loss, 0
        elif self._best is not None and _follows(trial, self._best):
            self.n_vain += 1

    def _loss(self, trial: FrozenTrial) -> float:
        if trial.state != TrialState.COMPLETE or trial.value is None:
            return math.inf
        loss = self._sign * trial.value
        return loss if math.isfinite(loss) else math.inf


def _follows(trial: FrozenTrial, other: FrozenTrial) -> bool:
    """Whether a trial began when another one had finished, or it is not known."""
    began, ended = trial.datetime_start, other.datetime_complete
    # What another program has stored may have a time zone.
    return began is None or ended is None or began.timestamp() >= ended.timestamp()


class Tried:
    """Set of configurations that were tried.

    In a conditional space a trial has only some of the parameters, and every row that agrees
    with it there is the same configuration. A trial that ended before it had asked for all
    of its parameters tells nothing of the rest: a set of parameters stands for a
    configuration when it is all of the space, or when a complete trial had just these.

    Args:
        n_axes: Number of parameters in the space.
    """

    def __init__(self, n_axes: int) -> None:
        self._n_axes = n_axes
        self._groups: dict[bytes, tuple[NDArray[np.bool_], set[bytes]]] = {}
        self._whole = {np.ones(n_axes, dtype=bool).tobytes()}
        self._base: Tried | None = None

    def add(self, row: Array, *, whole: bool) -> None:
        """Add a row of shape ``(d,)``; ``whole`` if it is known to miss nothing."""
        present = ~np.isnan(row)
        key = present.tobytes()
        if whole:
            self._whole.add(key)
        _, members = self._groups.setdefault(key, (present, set()))
        members.add(_row_key(row[present]))

    def with_rows(self, rows: Array) -> Tried:
        """This set and some more rows, shape ``(p, d)``, without copying this set."""
        more = Tried(self._n_axes)
        more._whole = self._whole
        more._base = self
        for row in rows:
            more.add(row, whole=False)
        return more

    def exclude(self, rows: Array) -> Array:
        """The distinct rows that are not in the set, in order, shape ``(m, d)``."""
        distinct = {_row_key(row): row for row in rows}
        kept = [row for row in distinct.values() if row not in self]
        return np.array(kept).reshape(len(kept), self._n_axes)

    def __len__(self) -> int:
        n_base = len(self._base) if self._base is not None else 0
        return n_base + sum(len(members) for _, members in self._groups.values())

    def __contains__(self, row: Array) -> bool:
        return (self._base is not None and row in self._base) or any(
            _row_key(row[present]) in members
            for key, (present, members) in self._groups.items()
            if key in self._whole
        )


def _row_key(row: Array) -> bytes:
    return (row + 0.0).tobytes()  # no negative zeros


def encode_params(
    space: Space, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> Array:
    """Row of a trial, shape ``(d,)``; a parameter of another kind by now is missing."""
    known = {
        name: value
        for name, value in params.items()
        if name in space.distributions
        and type(distributions[name]) is type(space.distributions[name])
    }
    return space.encode(known)


def pending_rows(space: Space, running: list[FrozenTrial], this_trial: int) -> Array:
    """Rows of the other running trials, shape ``(p, d)``."""
    rows = []
    for trial in running:
        if trial.number != this_trial:
            params = {**_relative_params(space, trial), **trial.params}
            distributions = {**space.distributions, **trial.distributions}
            rows.append(encode_params(space, params, distributions))
    known = [row for row in rows if not np.isnan(row).all()]
    return np.array(known).reshape(len(known), len(space.axes))


def _relative_params(space: Space, trial: FrozenTrial) -> dict[str, Any]:
    """What a worker noted that it will use; text from a storage, so checked."""
    noted = trial.system_attrs.get(RELATIVE_PARAMS_KEY)
    if not isinstance(noted, dict):
        return {}
    valid = {}
    for name, value in noted.items():
        distribution = space.distributions.get(name)
        if distribution is not None and is_value_of(distribution, value):
            valid[name] = value
    return valid
