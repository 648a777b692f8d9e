"""``optuna_lfbo`` as a tuner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna

from benchmarks.gpu.records import Point
from benchmarks.gpu.tuners import Tuned
from optuna_lfbo.helion import tune
from optuna_lfbo.helion._stop import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optuna.trial import FrozenTrial


class Ours:
    """Keeps the study where an interrupted run leaves it."""

    _STUDY = "benchmark"

    def __init__(self) -> None:
        self._storage = optuna.storages.InMemoryStorage()
        self._result: Any = None

    def run(self, kernel: Any, args: Sequence[object], seed: int) -> None:
        result = tune(kernel, args, seed=seed, storage=self._storage, study_name=self._STUDY)
        print("tuning:", result.study.user_attrs.get("tuning"))
        if result.stop_reason == INTERRUPTED:
            # As Helion's searches do; the best of half a run is not what the tuner would return.
            raise KeyboardInterrupt
        self._result = result

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
        compile_s=trial.user_attrs.get("compile_s"),
        origin=trial.user_attrs.get("origin"),
        ask_s=trial.user_attrs.get("ask_s"),
        measure_s=trial.user_attrs.get("measure_s"),
    )
