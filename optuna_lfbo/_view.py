"""The sampler's classifier on a whole study: what separates its good trials from the rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_lfbo._history import History, encode_params
from optuna_lfbo._labels import label
from optuna_lfbo._model import Forest
from optuna_lfbo._settings import N_TREES, QUANTILE
from optuna_lfbo._space import Space

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna
    from optuna.trial import FrozenTrial

    from optuna_lfbo._space import Array

_N_ROWS = 256
_N_DRAWS = 4


class ClassifierView:
    """A forest that has learned the finished trials of a study, as in `LFBOSampler`.

    Args:
        study: What it is about. Trials that failed or were pruned are bad.
        quantile: Share of the successful trials that are good.
        target: Value of a successful trial, low for a good one; by default its objective value
            in the study's direction.

    Attributes:
        study: What it is about.
        space: Search space of ``d`` parameters, all that some finished trial has had.
        trials: The finished trials, ``n`` of them.
        rows: Their positions in the space, ``NaN`` where one lacks a parameter, shape ``(n, d)``.
        labels: Which are good.
        is_telling: Whether there are parameters, and both good and bad trials.
        forest: Estimates the probability of being good, if there is anything to tell.
    """

    def __init__(
        self,
        study: optuna.Study,
        quantile: float = QUANTILE,
        target: Callable[[FrozenTrial], float] | None = None,
    ) -> None:
        self.study = study
        history = History()
        history.update(study)
        self.trials = history.finished
        seen = {name for trial in self.trials for name in trial.distributions}
        self.space = Space({n: d for n, d in history.distributions.items() if n in seen})
        rows = [encode_params(self.space, t.params, t.distributions) for t in self.trials]
        self.rows = np.array(rows).reshape(len(rows), len(self.space.axes))
        sign = -1.0 if target is None and study.direction == StudyDirection.MAXIMIZE else 1.0
        losses = np.array([sign * _value(trial, target) for trial in self.trials])
        self.labels = label(np.where(np.isfinite(losses), losses, math.inf), quantile)
        self.is_telling = self.space.names != [] and len(set(self.labels.good.tolist())) == 2
        if self.is_telling:
            self.forest = Forest(self.space.features(self.rows), self.labels, 0, N_TREES)

    def probability(self, rows: Array) -> Array:
        """Probability of being good, both classes weighted alike; shape ``(m,)``."""
        return self.forest.score(self.space.features(rows))

    def importances(self) -> dict[str, float]:
        """How much of the probability's variance each parameter has a part in, the most first.

        None has where there is nothing to tell.

        The total index of Sobol, estimated as in Jansen, "Analysis of variance designs for
        model output" (1999): half the mean squared change of the probability when the
        parameter is drawn anew, at configurations that the study has tried.
        """
        names, d = self.space.names, len(self.space.axes)
        if not self.is_telling:
            return dict.fromkeys(names, 0.0)
        rng = np.random.default_rng(0)
        rows = self.rows
        if len(rows) > _N_ROWS:
            rows = rows[np.sort(rng.choice(len(rows), _N_ROWS, replace=False))]
        base = np.repeat(rows, _N_DRAWS, axis=0)
        changed = np.repeat(base[None], d + 1, axis=0)  # the last one stays as it is
        for j, axis in enumerate(self.space.axes):
            drawn = axis.sample(rng, len(base))
            changed[j, :, j] = np.where(np.isnan(base[:, j]), np.nan, drawn)
        # One call for all, as each costs more than most of its rows.
        probability = self.probability(changed.reshape(-1, d)).reshape(d + 1, -1)
        change = probability[:-1] - probability[-1]
        indices = (change**2).mean(axis=1) / 2.0
        ranked = sorted(zip(names, indices.tolist(), strict=True), key=lambda pair: -pair[1])
        return dict(ranked)


def _value(trial: FrozenTrial, target: Callable[[FrozenTrial], float] | None) -> float:
    if trial.state != TrialState.COMPLETE:
        return math.inf
    return float(target(trial) if target is not None else trial.values[0])
