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
from optuna_lfbo.helion._starts import Starts, plan_starts
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
