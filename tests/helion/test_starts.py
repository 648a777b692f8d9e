"""Configurations that a new study begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import TrialState

from optuna_lfbo.helion import tune
from optuna_lfbo.helion._kernel_task import task_of
from optuna_lfbo.helion._ledger import Ledger
from optuna_lfbo.helion._outcome import Outcome, key_of
from optuna_lfbo.helion._starts import Start, Starts, plan_starts
from optuna_lfbo.helion._stop import StopRule
from tests.kernels.suite import matmul, pallas, tensors

if TYPE_CHECKING:
    import helion
    from optuna.trial import FrozenTrial

ARGS = tensors((32, 128), (128, 128))
SEED = 7
ORIGINS = ("neighbour", "random")


def started(study: optuna.Study) -> list[Any]:
    return [t.user_attrs["config"] for t in study.trials if t.user_attrs.get("origin") in ORIGINS]


def test_an_interrupted_study_goes_on_with_its_starts() -> None:
    def interrupt(study: optuna.Study, trial: FrozenTrial) -> None:
        # What others read with every ask.
        queued = study.get_trials(states=(TrialState.WAITING,))
        assert not any(waiting.user_attrs.get("origin") in ORIGINS for waiting in queued)
        if len(started(study)) >= 2:
            raise KeyboardInterrupt

    storage = optuna.storages.InMemoryStorage()
    first = tune(
        pallas(matmul), ARGS, storage=storage, seed=SEED, n_trials=18, callbacks=[interrupt]
    )
    assert first.stop_reason == "interrupted"
    resumed = tune(pallas(matmul), ARGS, storage=storage, seed=SEED + 1, n_trials=18)

    task = task_of(pallas(matmul), ARGS)
    wanted = [config for _, config in task.starts(18 // 3, SEED) if config not in task.seeds]
    assert {*map(key_of, started(resumed.study))} == {*map(key_of, wanted)}


def test_workers_go_through_them_together() -> None:
    task = task_of(pallas(matmul), ARGS)
    study = optuna.create_study()
    plan_starts(study, n_trials=None, seed=SEED)
    plan_starts(study, n_trials=3, seed=SEED + 1)
    ledger = Ledger()
    ours, theirs = Starts(task, study), Starts(task, study)
    taken = []
    for starts in [ours, theirs] * 150:
        if (start := starts.next(ledger, has_company=True)) is not None:
            taken.append(start.configuration)
            attributes = {"config": start.configuration}
            study.add_trial(
                optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs=attributes)
            )
            ledger.read(study.get_trials(deepcopy=False))
    wanted = {key_of(config) for _, config in task.starts(200, SEED)}
    assert sorted(map(key_of, taken)) == sorted(wanted)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("random", True), ("shape", True), ("detour", True), ("neighbour", False)],
)
def test_those_that_cost_no_patience_are_told_apart(origin: str, expected: bool) -> None:
    study = optuna.create_study()
    for config, attributes in (({"a": 1}, {"origin": origin}), ({"a": 2}, {})):
        attributes = {"status": "ok", "config": config, **attributes}
        study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs=attributes))
    ledger = Ledger()
    ledger.read(study.trials)
    assert [is_free for _, is_free in ledger.new_outcomes()] == [expected, False]
    assert ledger.new_outcomes() == []


def test_a_copy_of_the_best_does_not_take_its_place() -> None:
    ledger = Ledger()
    ledger.add(0, {"a": 2}, Outcome("ok", 1.0))
    ledger.add(1, {"a": 1}, Outcome("ok", 1.0))
    assert ledger.best == {"a": 2}
    ledger.add(2, {"a": 3}, Outcome("ok", 0.9))
    assert ledger.best == {"a": 3}


def test_the_leaders_are_hardly_slower_than_the_best() -> None:
    ledger = Ledger()
    for number, latency_ms in enumerate([1.0, 1.03, 1.01, 1.019]):
        ledger.add(number, {"a": number}, Outcome("ok", latency_ms))
    ledger.add(4, {"a": 4}, Outcome("ok", 1.01, first_look=True))
    ledger.add(5, {"a": 5}, Outcome("compile_error"))
    assert ledger.leaders() == [{"a": 0}, {"a": 2}, {"a": 3}]
    assert ledger.rival([{"a": 5}, {"a": 1}, {"a": 3}, {"a": 9}]) == {"a": 3}
    ledger.add(6, {"a": 6}, Outcome("ok", 0.95))
    assert ledger.rival([{"a": 5}, {"a": 1}, {"a": 9}]) is None


class Around:
    """What there is to try around a matmul's configurations, once half of the patience is over."""

    def __init__(self) -> None:
        self.task = task_of(pallas(matmul), tensors((64, 512), (512, 512)))
        self.ledger = Ledger()
        self._stop = StopRule(None, None)
        self._starts = Starts(self.task, optuna.create_study())
        for _ in range(300):
            self._stop.finish(1.0)

    def config(self, **changes: object) -> dict[str, Any]:
        assert self.task.default is not None
        return {**self.task.default, "block_sizes": [16, 256, 128], **changes}

    def measured(self, config: dict[str, Any], latency_ms: float) -> None:
        self.ledger.add(self.ledger.n_new, config, Outcome("ok", latency_ms))

    def slow_ones(self) -> list[dict[str, Any]]:
        """Tries all that there is, which is slow; returns what was not a mere neighbour."""
        tried = []
        while start := self._next():
            self.measured(start.configuration, 9.0)
            if start.origin == "shape":
                tried.append(start.configuration)
        return tried

    def _next(self) -> Start | None:
        # What is left may all be known, and then there may be more.
        for _ in range(4):
            self._starts.extend(self.ledger, self._stop)
            if (start := self._starts.next(self.ledger, has_company=False)) is not None:
                return start
        return None


def test_tiles_of_other_shapes_start_from_the_plainest_leader_too() -> None:
    around = Around()
    plain, best = around.config(), around.config(pallas_pre_broadcast=True)
    around.measured(around.config(pallas_loop_type="fori_loop"), 1.01)
    around.measured(plain, 1.01)
    around.measured(best, 1.0)
    tried = around.slow_ones()
    assert all(len(shape["block_sizes"]) == 3 for shape in tried)
    for base in (plain, best):
        larger = [s for s in around.task.reshaped(base) if s["block_sizes"][2] > 128]
        assert larger
        assert all(around.ledger.outcome(shape) for shape in larger)
        assert any(shape in tried for shape in larger)


def test_what_is_next_to_a_fast_tile_of_another_shape_is_tried() -> None:
    around = Around()
    best, shape = around.config(), around.config(block_sizes=[32, 128, 128])
    assert shape in around.task.reshaped(best)
    around.measured(best, 1.0)
    around.measured(shape, 1.04)
    tried = around.slow_ones()
    next_to_it = around.task.neighbours(shape)
    assert any(config not in around.task.reshaped(best) for config in next_to_it)
    assert all(around.ledger.outcome(config) for config in next_to_it)
    assert all(config in [*around.task.reshaped(best), *next_to_it] for config in tried)


def test_neighbours_of_the_default_come_first() -> None:
    study = tune(pallas(matmul), ARGS, seed=SEED, n_trials=12).study
    origins = [trial.user_attrs.get("origin") for trial in study.trials]
    assert origins[: origins.index(None)].count("neighbour") == 2
    default = study.trials[0].params
    for trial in study.trials:
        if trial.user_attrs.get("origin") == "neighbour":
            assert sum(trial.params[name] != value for name, value in default.items()) == 1


@pytest.mark.parametrize("noted", [None, 3, [], {"n": 10**9, "seed": 0}, {"n": "2", "seed": 1}])
def test_what_another_program_noted_is_not_believed(noted: Any) -> None:
    study = optuna.create_study()
    study._storage.set_study_system_attr(study._study_id, "lfbo:starts", noted)
    starts = Starts(task_of(pallas(matmul), ARGS), study)
    assert starts.next(Ledger(), has_company=False) is None


def test_those_that_the_kernel_excludes_cost_no_trial() -> None:
    def narrow(config: helion.Config) -> helion.Config | None:
        return config if config["block_sizes"][0] == 16 else None

    kernel = pallas(matmul, autotune_config_filter=narrow)
    study = tune(kernel, ARGS, seed=SEED, n_trials=18).study
    assert started(study)
    assert all(config["block_sizes"][0] == 16 for config in started(study))
