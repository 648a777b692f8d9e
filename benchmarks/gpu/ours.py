"""``optuna_lfbo`` as a tuner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna

from benchmarks.gpu.records import Point
from benchmarks.gpu.tuners import Tuned
from optuna_lfbo import LFBOSampler
from optuna_lfbo.helion import helion_objective

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class _TuneResult:
    config: dict[str, Any]
    latency_ms: float
    stop_reason: str


def tune(
    kernel: Any,
    args: Sequence[object],
    *,
    sampler: optuna.samplers.BaseSampler,
    storage: BaseStorage,
    study_name: str,
) -> _TuneResult:
    """Stands in for ``optuna_lfbo.helion.tune`` until there is one: a trial at a time."""
    study = optuna.create_study(study_name=study_name, storage=storage, sampler=sampler)
    with helion_objective(kernel, args) as objective:
        objective.enqueue_seeds(study)
        study.optimize(objective, n_trials=20, catch=objective.failures)
        return _TuneResult(dict(objective.best_config(study)), study.best_value, "n_trials")


class Ours:
    """Keeps the study where an interrupted run leaves it."""

    _STUDY = "benchmark"

    def __init__(self) -> None:
        self._storage = optuna.storages.InMemoryStorage()
        self._result: Any = None

    def run(self, kernel: Any, args: Sequence[object], seed: int) -> None:
        sampler = LFBOSampler(seed=seed)
        self._result = tune(
            kernel, args, sampler=sampler, storage=self._storage, study_name=self._STUDY
        )

    def result(self, folder: Path, started: float) -> Tuned:
        if self._STUDY not in optuna.get_all_study_names(self._storage):
            return Tuned([], None, None, None)
        study = optuna.load_study(study_name=self._STUDY, storage=self._storage)
        trials = [trial for trial in study.trials if trial.state.is_finished()]
        points = [_point(trial, started) for trial in trials]
        points.sort(key=lambda point: point.seconds)
        measuring = sum(trial.user_attrs.get("measure_s", 0.0) for trial in trials)
        if self._result is None:
            return Tuned(points, None, None, measuring)
        winner = self._result
        return Tuned(points, dict(winner.config), winner.latency_ms, measuring, winner.stop_reason)


def _point(trial: FrozenTrial, started: float) -> Point:
    assert trial.datetime_complete is not None
    return Point(
        seconds=trial.datetime_complete.timestamp() - started,
        latency_ms=trial.value,
        status=trial.user_attrs.get("status", trial.state.name.lower()),
        config=trial.user_attrs.get("config", {}),
    )
