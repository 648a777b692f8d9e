"""What others, or a signal, do between two steps of a worker that belong together."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from optuna_lfbo.helion._outcome import key_of
from optuna_lfbo.helion._stop import INTERRUPTED, StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion.tuner import conduct
from tests.helion.test_workers import CONFIG, Counted

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna
    from optuna.trial import FrozenTrial


class Meddled(InMemoryStorage):
    """Lets a test do something, once, before or after a call."""

    def __init__(self) -> None:
        super().__init__()
        self._events: dict[str, Callable[[], object]] = {}

    def on(self, event: str, act: Callable[[], object]) -> None:
        self._events[event] = act

    def _meet(self, event: str) -> None:
        act = self._events.pop(event, None)
        if act is not None:
            act()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        is_started = template_trial is not None and template_trial.state == TrialState.RUNNING
        if is_started:
            self._meet("before a start")
        trial_id = super().create_new_trial(study_id, template_trial)
        if is_started:
            self._meet("after a start")
        return trial_id

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Any = None) -> bool:
        is_set = super().set_trial_state_values(trial_id, state, values)
        if state == TrialState.RUNNING:
            self._meet("after a pop")
        return is_set

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_user_attr(trial_id, key, value)
        self._meet(f"after {key}")


class Stubborn(BaseSampler):
    """Proposes what the test wants, and ends the study when that is known."""

    def infer_relative_search_space(self, *_: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, *_: Any) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return CONFIG[param_name]

    def after_trial(self, study: optuna.Study, *_: Any) -> None:
        study.stop()


def test_what_is_put_into_the_queue_meanwhile_is_not_measured_twice() -> None:
    task, storage = Counted(seconds=0.5), Meddled()
    study = open_study("small", storage, Stubborn())
    storage.on("before a start", lambda: task.enqueue(study, [CONFIG]))
    conduct(task, study, StopRule(None, None), 0)
    assert task.measured == {key_of(CONFIG): 1}
    states = [(trial.state, trial.user_attrs["status"]) for trial in study.trials[:2]]
    assert states == [(TrialState.COMPLETE, "ok"), (TrialState.COMPLETE, "duplicate")]


def test_nobody_waits_for_ever_for_what_is_in_the_queue() -> None:
    task, storage = Counted(), Meddled()
    study = open_study("small", storage, Stubborn())

    def end() -> None:
        task.enqueue(study, [CONFIG])
        stop.end("the end")

    stop = StopRule(None, None)
    storage.on("before a start", end)
    assert conduct(task, study, stop, 0) == "the end"
    assert [trial.state for trial in study.trials] == 2 * [TrialState.WAITING]
    assert not task.measured


@pytest.mark.parametrize("event", ["after a pop", "after worker", "after device"])
def test_a_trial_that_is_taken_for_lost_before_it_is_claimed_is_left_alone(event: str) -> None:
    task, storage = Counted(), Meddled()
    # Seeded, as it may propose what has been left alone: nobody has measured that.
    study = open_study("small", storage, RandomSampler(seed=0))
    task.claim(study)
    task.enqueue(study, [CONFIG])
    storage.on(event, lambda: study.tell(0, state=TrialState.FAIL))
    assert conduct(task, study, StopRule(3, None), 0) == "3 trials"
    assert "status" not in study.trials[0].user_attrs
    assert task.measured[key_of(CONFIG)] == 0
    assert len(task.measured) == 3


@pytest.mark.parametrize("event", ["after a start", "after a pop", "after worker", "after status"])
def test_an_interrupt_leaves_no_trial_running(event: str) -> None:
    task, storage = Counted(), Meddled()
    study = open_study("small", storage)
    if event != "after a start":
        task.claim(study)
        task.enqueue(study, [CONFIG])
    storage.on(event, lambda: signal.raise_signal(signal.SIGINT))
    assert conduct(task, study, StopRule(20, None), 0) == INTERRUPTED
    (first, *_) = study.trials
    assert first.state.is_finished()
    assert not study.get_trials(states=(TrialState.RUNNING,))
