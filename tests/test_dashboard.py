"""A study's page in optuna-dashboard."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import create_trial
from optuna_dashboard import get_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from optuna_lfbo._turn import Turn
from optuna_lfbo.dashboard import DashboardCallback, refresh
from optuna_lfbo.helion import tune
from tests.kernels.suite import pallas, softmax, tensors
from tests.studies import KINDS, kernel_study

if TYPE_CHECKING:
    from pathlib import Path

IDS = {
    "lfbo-best-over-time",
    "lfbo-best-over-trials",
    "lfbo-outcomes",
    "lfbo-time-spent",
    "lfbo-good-probability",
    "lfbo-best-tenth",
}


def plots_of(study: optuna.Study) -> dict[str, Any]:
    """The plots as the dashboard reads them."""
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {name: json.loads(text) for name, text in get_plotly_graph_objects(attributes).items()}


def stored(study: optuna.Study, storage: str) -> optuna.Study:
    """A copy of a study in a file."""
    optuna.copy_study(
        from_study_name=study.study_name, from_storage=study._storage, to_storage=storage
    )
    return loaded(storage)


def loaded(storage: str) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=storage)


@pytest.mark.parametrize("kind", KINDS)
def test_every_study_has_a_page(kind: str) -> None:
    study = KINDS[kind]()
    refresh(study)
    assert get_note(study).startswith("# ")
    assert plots_of(study).keys() == IDS


def test_a_study_of_several_objectives_has_a_page() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=3)
    refresh(study)
    assert "2 objectives" in get_note(study)
    assert plots_of(study).keys() == {"lfbo-outcomes", "lfbo-time-spent"}


def test_a_refresh_replaces_what_was_there(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = stored(kernel_study(60), storage)
    refresh(study)
    n_points = len(plots_of(study)["lfbo-best-over-trials"]["data"][0]["x"])
    study.add_trial(create_trial(value=0.01, user_attrs={"status": "ok", "config": {}}))
    refresh(study)
    plots = plots_of(loaded(storage))
    assert plots.keys() == IDS
    assert len(plots["lfbo-best-over-trials"]["data"][0]["x"]) == n_points + 1
    assert "**0.01 ms**" in get_note(study)


def test_the_page_is_filled_while_the_study_runs() -> None:
    notes = []
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    with DashboardCallback(interval=0.0) as dashboard:
        study.optimize(
            lambda trial: trial.suggest_float("x", 0, 1),
            n_trials=5,
            callbacks=[dashboard, lambda study, trial: notes.append(get_note(study))],
        )
        assert "| `complete` | 1 | 100% |  |" in notes[0]
        # The share of time that refreshing may take is used up for a hundred times as long.
        assert notes == notes[:1] * 5
        assert dashboard.spent_s > 0.0
    assert "| `complete` | 5 | 100% |  |" in get_note(study)
    assert plots_of(study).keys() == IDS


def test_nothing_is_refreshed_before_the_interval() -> None:
    study = optuna.create_study()
    dashboard = DashboardCallback(interval=3600.0)
    study.optimize(lambda trial: 1.0, n_trials=3, callbacks=[dashboard])
    assert get_note(study) == ""
    assert dashboard.spent_s == 0.0
    with pytest.raises(ValueError, match="interval=-1"):
        DashboardCallback(interval=-1.0)


def test_a_failing_storage_does_not_end_the_study(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    study = optuna.create_study()

    def locked(*args: object) -> None:
        raise optuna.exceptions.StorageInternalError("database is locked")

    monkeypatch.setattr(study._storage, "set_study_system_attr", locked)
    optuna.logging.enable_propagation()
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with DashboardCallback(interval=0.0) as dashboard:
            study.optimize(lambda trial: 1.0, n_trials=2, callbacks=[dashboard])
    finally:
        optuna.logging.set_verbosity(level)
        optuna.logging.disable_propagation()
    assert len(study.trials) == 2
    assert "could not be refreshed: database is locked" in caplog.text


def test_the_tuner_fills_the_page_and_the_final_comparison_is_on_it(tmp_path: Path) -> None:
    with DashboardCallback() as dashboard:
        result = tune(
            pallas(softmax),
            tensors((16, 128)),
            storage=f"sqlite:///{tmp_path}/study.db",
            n_trials=2,
            callbacks=[dashboard],
        )
    note = get_note(result.study)
    assert "# `softmax`" in note
    assert "(final comparison)" in note
    assert "@helion.kernel(config=helion.Config(block_sizes=[" in note
    assert plots_of(result.study).keys() == IDS
    origins = [trial.user_attrs.get("origin") for trial in result.study.trials]
    assert origins[0] == "default"
    assert None in origins


def test_one_worker_writes_at_a_time() -> None:
    study = optuna.create_study()
    first, second = Turn(study, "page"), Turn(study, "page")
    assert first.take()
    assert not second.take()
    assert Turn(study, "other").take()
    first.end()
    assert not second.take(interval=3600.0)
    assert first.take(interval=3600.0)
    first.end()
    assert second.take()


def test_a_dead_worker_does_not_hold_the_turn_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    assert Turn(study, "page").take()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61.0)
    assert Turn(study, "page").take()


def test_whatever_is_noted_of_a_turn_is_survived() -> None:
    study = optuna.create_study()
    for noted in (1, "me", {"at": "now"}, {"at": -1.0, "by": []}, {"by": 3, "at": 1e300}):
        study._storage.set_study_system_attr(study._study_id, "lfbo:turn:page", noted)
        assert Turn(study, "page").take()


def test_of_workers_that_begin_at_once_one_gets_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    first, second = Turn(study, "page"), Turn(study, "page")
    write, got = study._storage.set_study_system_attr, []

    def write_of_first(study_id: int, key: str, noted: Any) -> None:
        """Lands after the second worker has written, before it looks whether it has the turn."""
        monkeypatch.setattr(study._storage, "set_study_system_attr", write)
        monkeypatch.setattr(time, "sleep", lambda seconds: write(study_id, key, noted))
        got.append(second.take())

    monkeypatch.setattr(study._storage, "set_study_system_attr", write_of_first)
    got.append(first.take())
    assert got == [False, True]
