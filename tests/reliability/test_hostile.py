"""A study written by a hostile hand gives an error, and neither a crash nor code execution."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from optuna_lfbo import LFBOSampler
from optuna_lfbo.helion import HelionObjective, OptunaSearch
from optuna_lfbo.helion._compat_search import NoConfigFound
from optuna_lfbo.helion._identity import Identity
from optuna_lfbo.helion._kernel_task import KernelTask, task_of_bound
from optuna_lfbo.helion._ledger import Ledger
from optuna_lfbo.helion._members import Members
from optuna_lfbo.helion._objective import Objective
from optuna_lfbo.helion._stop import StopRule
from optuna_lfbo.helion.exceptions import KernelError, TrialFailedError
from optuna_lfbo.helion.tuner import _result, conduct
from tests.kernels.suite import pallas, softmax, tensors
from tests.reliability import hostile
from tests.reliability.watch import nothing_but

if TYPE_CHECKING:
    from collections.abc import Iterator

TASK = hostile.task()
UNCLAIMED = [state for state in TrialState if state != TrialState.RUNNING]
"""Somebody may be at work on the others, for which a run has to wait."""
SEEN = [state for state in TrialState if state != TrialState.WAITING]


@given(st.lists(hostile.trials(), max_size=4), st.integers(0, 9))
@settings(max_examples=600)
def test_the_ledger(trials: list[optuna.trial.FrozenTrial], since: int) -> None:
    study = hostile.study_of(trials)
    ledger = Ledger(since)
    with nothing_but():
        for _ in range(2):
            ledger.read(study.get_trials(deepcopy=False))
        ledger.new_outcomes()
        assert ledger.n_claimed() >= 0
        outcome = ledger.outcome(hostile.CONFIG)
    assert outcome is None or (outcome.latency_ms is None) != (outcome.error is None or True)


@given(hostile.finals, st.lists(hostile.trials(TrialState.COMPLETE), max_size=3), st.data())
@settings(max_examples=400)
def test_the_winner(
    final: Any, trials: list[optuna.trial.FrozenTrial], data: st.DataObject
) -> None:
    study = hostile.study_of(
        trials, {"final": final, "default_latency_ms": data.draw(hostile.anything)}
    )
    with nothing_but(ValueError, KernelError):
        result = _result(TASK, study, "done")
        assert 0.0 < result.latency_ms < float("inf")
        assert set(result.config) == set(hostile.SPACE)


@given(hostile.trials(TrialState.COMPLETE))
@settings(max_examples=200)
def test_the_best_configuration(trial: optuna.trial.FrozenTrial) -> None:
    with nothing_but(ValueError):
        config = Objective(TASK).best_config(hostile.study_of([trial]))
        assert set(config) == set(hostile.SPACE)


@given(
    st.dictionaries(
        st.sampled_from(["kernel", "source_hash", "args", "device", "versions", "x"]),
        hostile.anything,
        min_size=1,
    )
)
@settings(max_examples=200)
def test_what_the_study_is_about(attributes: dict[str, Any]) -> None:
    with nothing_but(ValueError):
        hostile.task().claim(hostile.study_of([], attributes))


@given(st.lists(hostile.members, max_size=3), hostile.trials(TrialState.RUNNING))
@settings(max_examples=300)
def test_the_other_workers(members: list[Any], trial: optuna.trial.FrozenTrial) -> None:
    study = hostile.study_of([trial])
    for number, member in enumerate(members):
        key = f"lfbo:worker:{number}\x1b[31m"
        study._storage.set_study_system_attr(study._study_id, key, hostile.stored(member))
    with nothing_but(), Members(study) as us:
        us.alive()
        us.lost(study.get_trials(deepcopy=False))
        assert us.me.since <= 1


@given(st.lists(hostile.trials(*SEEN), min_size=1, max_size=6), st.integers(0, 99))
@settings(max_examples=150)
def test_the_sampler(trials: list[optuna.trial.FrozenTrial], seed: int) -> None:
    study = hostile.study_of(trials)
    study.sampler = LFBOSampler(seed=seed, n_startup_trials=2, warn_independent_sampling=False)
    for number in range(2):
        trial = study.ask()
        with nothing_but(ValueError):
            block = trial.suggest_int("block", 1, 9)
            study.tell(trial, block + number)


@given(hostile.trials())
@settings(max_examples=200)
def test_a_trial_of_the_objective(trial: optuna.trial.FrozenTrial) -> None:
    study = hostile.study_of([trial])
    with nothing_but(ValueError), Objective(hostile.task()) as objective:
        asked = study.ask()
        with contextlib.suppress(TrialFailedError):
            assert 1.0 <= objective(asked) <= 9.0


@given(
    st.lists(hostile.trials(*UNCLAIMED), max_size=5),
    st.dictionaries(st.sampled_from(["final", "default_latency_ms", "tuning"]), hostile.finals),
    st.lists(hostile.members, max_size=2),
)
@settings(max_examples=150)
def test_a_whole_run(
    trials: list[optuna.trial.FrozenTrial], attributes: dict[str, Any], members: list[Any]
) -> None:
    study = hostile.study_of(trials, attributes)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    for number, member in enumerate(members):
        key = f"lfbo:worker:{number}"
        study._storage.set_study_system_attr(study._study_id, key, hostile.stored(member))
    task = hostile.task()
    with nothing_but(ValueError, KernelError):
        reason = conduct(task, study, StopRule(2, None), 0)
        result = _result(task, study, reason)
        assert set(result.config) == set(hostile.SPACE)
    assert not study.get_trials(states=(TrialState.RUNNING,))


@pytest.fixture(scope="module")
def search() -> Iterator[OptunaSearch]:
    """A search of Helion's, whose engine needs no other process."""
    (x,) = args = tensors((16, 128))
    kernel = pallas(softmax, autotune_random_seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KernelTask, "engine", lambda *_: hostile.Here())
        yield OptunaSearch(kernel.bind((x,)), args, n_trials=2)


@given(
    st.lists(
        hostile.trials(
            *UNCLAIMED,
            attributes=hostile.user_attributes_of(hostile.kernel_configs),
            params=[{}],
        ),
        max_size=3,
    ),
    st.dictionaries(
        st.sampled_from(["final", "default_latency_ms"]),
        hostile.finals_of(hostile.kernel_configs),
    ),
)
@settings(max_examples=150)
def test_a_search_of_helions(
    search: OptunaSearch, trials: list[optuna.trial.FrozenTrial], attributes: dict[str, Any]
) -> None:
    task = task_of_bound(search.kernel, search.args)
    study = hostile.study_of(trials, attributes)
    search._storage = study._storage
    with nothing_but(ValueError, NoConfigFound), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Identity, "study_name", study.study_name)
        assert search.autotune() is not None
    with nothing_but(ValueError):
        HelionObjective(task).best_config(study)
    task.enqueue(study, [t.user_attrs["config"] for t in trials if "config" in t.user_attrs])


def test_nesting_beyond_what_python_can_walk() -> None:
    study = hostile.study_of()
    study._storage.set_study_user_attr(study._study_id, "x", hostile.nested(20_000))
    with pytest.raises(ValueError, match="nested too deep"):
        hostile.task().claim(study)
