"""Several workers on one study; here in threads, each with a storage of its own."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from benchmarks.workers import SleepingEngine, SleepingTask
from optuna_lfbo._winner import FINAL
from optuna_lfbo.helion._members import Member, Members, _booted, _born, _machine
from optuna_lfbo.helion._outcome import key_of
from optuna_lfbo.helion._signals import interruptible
from optuna_lfbo.helion._stop import StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion.tuner import conduct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optuna.trial import FrozenTrial

SMALL = {"n0": IntDistribution(0, 9), "n1": IntDistribution(0, 9)}
CONFIG = {"n0": 5, "n1": 5}


class Counted(SleepingTask):
    """Counts what its engines do."""

    def __init__(self, seconds: float = 0.01) -> None:
        super().__init__(seconds, SMALL)
        self.measured: Counter[str] = Counter()
        self.n_retimes = 0

    def engine(self, n_compilers: int | None = None) -> SleepingEngine:
        task = self

        class Engine(SleepingEngine):
            def measure(self, config: Any, best_ms: Any = None) -> Any:
                task.measured[key_of(config)] += 1
                return super().measure(config, best_ms)

            def retime(self, configs: Any, rounds: int, repeat: int) -> list[list[float]]:
                task.n_retimes += 1
                return super().retime(configs, rounds, repeat)

        return Engine(self._seconds)


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/study.db"


def run(task: SleepingTask, storage: str, n_trials: int, seed: int = 0) -> str:
    study = open_study("small", storage, RandomSampler(seed=seed))
    return conduct(task, study, StopRule(n_trials, None), seed)


def trials_of(storage: str) -> Sequence[FrozenTrial]:
    return open_study("small", storage).trials


def test_workers_measure_nothing_twice_and_no_more_than_they_should(tmp_path: Path) -> None:
    storage, task = url(tmp_path), Counted()
    open_study("small", storage)
    # With the same seed at random, all propose the same.
    with ThreadPoolExecutor(4) as pool:
        reasons = list(pool.map(lambda _: run(task, storage, 30), range(4)))
    assert reasons == ["30 trials"] * 4
    trials = [trial for trial in trials_of(storage) if trial.state != TrialState.WAITING]
    measured = [trial for trial in trials if trial.user_attrs["status"] == "ok"]
    assert len(measured) == len(task.measured) == 30
    assert set(task.measured.values()) == {1}
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert len({trial.user_attrs["worker"] for trial in measured}) > 1
    assert task.n_retimes == 1
    best = min(trial.value for trial in measured if trial.value is not None)
    final = open_study("small", storage).user_attrs[FINAL]
    assert min(entry["latency_ms"] for entry in final) == best


def test_a_study_goes_on_counting_anew(tmp_path: Path) -> None:
    storage, task = url(tmp_path), Counted()
    run(task, storage, 5)
    run(task, storage, 5, seed=1)
    assert len(task.measured) == 10


def dead_member(study: optuna.Study, **changes: Any) -> str:
    """A worker whose process was killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        born = _born(process.pid)
        process.kill()
    now, host = time.time(), platform.node()
    member = Member(host, _machine(), process.pid, born, now, 0, "running", now)
    member = replace(member, **changes)
    study._storage.set_study_system_attr(study._study_id, "lfbo:worker:dead", asdict(member))
    return "dead"


def claim(study: optuna.Study, worker: str, **attributes: Any) -> None:
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=CONFIG,
            distributions=SMALL,
            user_attrs={"config": CONFIG, "worker": worker, **attributes},
        )
    )


def test_the_configuration_of_a_dead_worker_gets_another_turn(tmp_path: Path) -> None:
    storage, task = url(tmp_path), Counted()
    study = open_study("small", storage)
    task.claim(study)
    claim(study, dead_member(study))
    run(task, storage, 3)
    lost, *others = trials_of(storage)
    assert lost.state == TrialState.FAIL
    assert lost.user_attrs["error"] == "its worker was lost: dead"
    (again,) = [trial for trial in others if trial.user_attrs["config"] == CONFIG]
    assert again.user_attrs["status"] == "ok"
    assert again.user_attrs["attempt"] == 2


@pytest.mark.parametrize(
    "attributes", [{"attempt": 3}, {"error": "it does not compile", "status": "compile_error"}]
)
def test_what_has_killed_three_workers_or_has_failed_by_itself_is_not_tried_again(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    storage, task = url(tmp_path), Counted()
    study = open_study("small", storage)
    task.claim(study)
    claim(study, dead_member(study), **attributes)
    run(task, storage, 3)
    lost, *others = trials_of(storage)
    assert lost.state == TrialState.FAIL
    assert attributes.items() <= lost.user_attrs.items()
    assert all(trial.user_attrs["config"] != CONFIG for trial in others)


def test_a_worker_of_another_machine_is_given_a_minute(tmp_path: Path) -> None:
    storage, task = url(tmp_path), Counted()
    study = open_study("small", storage)
    task.claim(study)
    claim(study, dead_member(study, machine="elsewhere"))
    with Members(study) as members:
        running = study.get_trials(states=(TrialState.RUNNING,))
        assert not members.lost(running)
        # As if it had been seen for the first time a minute ago.
        members._changed = {
            name: (beat, at - 61.0) for name, (beat, at) in members._changed.items()
        }
        assert members.lost(running) == running


@pytest.mark.parametrize(("host", "is_lost"), [(platform.node(), True), ("elsewhere", False)])
def test_what_ran_before_a_reboot_is_lost_at_once(
    tmp_path: Path, host: str, is_lost: bool
) -> None:
    study = open_study("small", url(tmp_path))
    changes = {"host": host, "machine": "before the reboot", "beat": _booted() - 1.0}
    claim(study, dead_member(study, **changes))
    with Members(study) as members:
        running = study.get_trials(states=(TrialState.RUNNING,))
        assert members.lost(running) == (running if is_lost else [])


def test_who_waits_for_a_lost_trial_takes_its_place(tmp_path: Path) -> None:
    storage, task = url(tmp_path), Counted()
    study = open_study("small", storage)
    task.claim(study)
    with Members(study) as other:
        claim(study, other.name)
        task.enqueue(study, [CONFIG])
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(run, task, storage, 3)
            wait_until(lambda: trials_of(storage)[1].state == TrialState.RUNNING)
            other.enter("left")
            ended.result(60.0)
    states = [trial.state for trial in trials_of(storage) if trial.user_attrs["config"] == CONFIG]
    assert states == [TrialState.FAIL, TrialState.COMPLETE]


@pytest.mark.parametrize("finishes", [True, False])
def test_what_another_worker_measures_is_waited_for(tmp_path: Path, finishes: bool) -> None:
    storage, task = url(tmp_path), Counted()
    study = open_study("small", storage)
    task.claim(study)
    with Members(study) as other:
        claim(study, other.name)
        task.enqueue(study, [CONFIG])
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(run, task, storage, 3)
            wait_until(lambda: bool(task.measured))
            assert key_of(CONFIG) not in task.measured
            if finishes:
                study._storage.set_trial_user_attr(study.trials[0]._trial_id, "status", "ok")
                study.tell(0, 0.5)
            other.enter("left")
            assert ended.result(60.0)
    first, second, *_ = trials_of(storage)
    if finishes:
        assert second.value == 0.5
        assert second.user_attrs["error"] == "the same configuration as trial 0"
    else:
        assert first.state == TrialState.FAIL
    assert task.measured[key_of(CONFIG)] == (not finishes)


def wait_until(condition: Any) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come true")


def test_an_outcome_is_kept_although_its_trial_was_taken_for_lost(tmp_path: Path) -> None:
    storage, task = url(tmp_path), Counted(seconds=1.0)
    study = open_study("small", storage)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run, task, storage, 1)
        wait_until(lambda: bool(task.measured))
        study.tell(0, state=TrialState.FAIL)
        assert ended.result(60.0) == "1 trials"
    lost, again = study.trials
    assert lost.state == TrialState.FAIL
    assert again.state == TrialState.COMPLETE
    assert again.user_attrs["status"] == "ok"
    assert again.user_attrs["config"] == lost.user_attrs["config"]


def test_sigterm_is_a_keyboard_interrupt_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        terminate_inside()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def terminate_inside() -> None:
    with interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10.0)


def test_threads_have_no_handlers() -> None:
    def work() -> None:
        with interruptible():
            found.append(signal.getsignal(signal.SIGTERM))

    found: list[Any] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]
