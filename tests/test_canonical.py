"""Configurations that are the same in effect are tried once."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial, TrialState, create_trial

from optuna_lfbo import LFBOSampler
from optuna_lfbo._canonical import Representatives
from optuna_lfbo._space import Space
from tests.strategies import finite_distributions, objective_values, spaces, trials

Params = dict[str, Any]

SWITCHED = [f"loop{i}" for i in range(5)]
"""Parameters that count only where the kind is not flat."""


def kernel_like(trial: Trial) -> float:
    params = {name: trial.suggest_int(name, 0, 3) for name in SWITCHED}
    params["kind"] = trial.suggest_categorical("kind", ["flat", "loop", "grid"])
    x, y = trial.suggest_int("x", 0, 12), trial.suggest_int("y", 0, 12)
    slow = 0 if params["kind"] == "flat" else 8 + sum(params[name] for name in SWITCHED)
    return float(1 + slow + (x - 9) ** 2 + (y - 2) ** 2)


def without_switched(params: Params) -> Params:
    return {**params, **dict.fromkeys(SWITCHED, 0)} if params["kind"] == "flat" else params


def key_of(params: Params) -> str:
    return repr(sorted(params.items()))


def n_duplicates(study: optuna.Study) -> int:
    kinds = [key_of(without_switched(trial.params)) for trial in study.trials]
    return len(kinds) - len(set(kinds))


def test_duplicates_vanish() -> None:
    def studies(**kwargs: Any) -> list[optuna.Study]:
        found = []
        for seed in range(3):
            found.append(optuna.create_study(sampler=LFBOSampler(seed=seed, **kwargs)))
            found[-1].optimize(kernel_like, n_trials=60)
        return found

    blind, seeing = studies(), studies(canonical=without_switched)
    assert sum(map(n_duplicates, blind)) > 0.2 * 180, "else this test shows nothing"
    assert sum(map(n_duplicates, seeing)) == 0
    for study in seeing:
        assert study.best_value == 1.0
        assert all(without_switched(t.params) == t.params for t in study.trials[1:])


def test_enqueued_and_running_trials_count_by_their_representative() -> None:
    study = optuna.create_study(sampler=LFBOSampler(seed=0, canonical=without_switched))
    space = study_space()
    odd = {**dict.fromkeys(SWITCHED, 3), "kind": "flat", "x": 9}
    study.enqueue_trial({**odd, "y": 2})
    study.optimize(kernel_like, n_trials=1)
    study.enqueue_trial({**odd, "y": 3})
    asked = [study.ask(space) for _ in range(40)]
    assert asked[0].params["loop0"] == 3
    assert n_duplicates(study) == 0


def study_space() -> dict[str, BaseDistribution]:
    study = optuna.create_study()
    study.optimize(kernel_like, n_trials=1)
    return study.trials[0].distributions


def test_it_is_called_once_for_each_configuration_and_for_few_candidates() -> None:
    calls: Counter[str] = Counter()

    def counted(params: Params) -> Params:
        calls[key_of(params)] += 1
        return without_switched(params)

    study = optuna.create_study(sampler=LFBOSampler(seed=0, canonical=counted))
    study.optimize(kernel_like, n_trials=40)
    assert max(calls.values()) == 1
    assert len(calls) < 40 * 100, "a ranking has some 600 candidates"


def test_it_joins_with_a_constraint() -> None:
    study = optuna.create_study(
        sampler=LFBOSampler(
            seed=0, canonical=without_switched, constraint=lambda params: params["x"] != 9
        )
    )
    study.optimize(kernel_like, n_trials=40)
    assert all(t.params["x"] != 9 for t in study.trials[1:])
    assert n_duplicates(study) == 0


def test_continuous_parameters_keep_their_value_to_the_last_bit() -> None:
    space = {
        "x": FloatDistribution(1e-7, 3e5, log=True),
        "y": FloatDistribution(-0.3, 0.7),
        "on": CategoricalDistribution([False, True]),
        "n": IntDistribution(0, 30),
    }

    def canonical(params: Params) -> Params:
        return params if params["on"] else {**params, "n": 0, "y": 0.1}

    study = optuna.create_study(sampler=LFBOSampler(seed=0, canonical=canonical))
    study.add_trial(create_trial(value=0.0, params={**LOWEST, "on": False}, distributions=space))
    for _ in range(40):
        trial = study.ask(space)
        study.tell(trial, math.log(trial.params["x"]) ** 2 + trial.params["on"])
    off = [t.params["x"] for t in study.trials if not t.params["on"]]
    assert len(off) == len(set(off)), "x alone tells these apart"


LOWEST = {"x": 2.7, "y": 0.1, "n": 0}


def test_what_cannot_be_canonicalised_stands_for_itself() -> None:
    def picky(params: Params) -> Params:
        if params["x"] > 5:
            raise ValueError("no such kernel")
        return {**params, "y": 0}

    study = optuna.create_study(sampler=LFBOSampler(seed=0, canonical=picky))
    for _ in range(46):
        trial = study.ask({"x": IntDistribution(0, 9), "y": IntDistribution(0, 9)})
        study.tell(trial, trial.params["x"])
    points = {(t.params["x"], t.params["y"] if t.params["x"] > 5 else 0) for t in study.trials}
    assert len(points) == 6 + 40


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"x": 3}, "expected the same parameters"),
        ({"x": 99, "y": "a"}, "x=99: expected a value of IntDistribution"),
        ({"x": 3, "y": "c"}, "y='c': expected a value of CategoricalDistribution"),
        ({"x": "3", "y": "a"}, "x='3': expected a value of IntDistribution"),
    ],
)
def test_a_representative_outside_of_the_space_is_refused(returned: Any, message: str) -> None:
    space = Space({"x": IntDistribution(0, 9), "y": CategoricalDistribution(["a", "b"])})
    with pytest.raises(ValueError, match=message):
        Representatives(space, lambda params: returned).of_row(np.zeros(2))


def test_rows_outside_of_the_space_stand_for_themselves() -> None:
    space = Space({"x": IntDistribution(0, 9), "y": IntDistribution(0, 9)})
    rows = np.array([[np.nan, 3.0], [12.0, 3.0], [4.0, 3.0]])
    zero = Representatives(space, lambda params: {**params, "y": 0})
    np.testing.assert_array_equal(zero.of_rows(rows), [[np.nan, 3], [12, 3], [4, 0]])


@settings(max_examples=40)
@given(st.data(), spaces(finite_distributions, max_size=3), st.integers(0, 3))
def test_a_representative_is_proposed_once_while_others_remain(
    data: st.DataObject, space: dict[str, BaseDistribution], n_startup_trials: int
) -> None:
    """Of each axis some values are the same as the first one."""
    points = [Space(space).row_of_code(code) for code in range(Space(space).n_points or 0)]
    switched = data.draw(st.sets(st.sampled_from(sorted(space)), max_size=2))
    first = Space(space).decode(points[0])

    def canonical(params: Params) -> Params:
        return {**params, **{name: first[name] for name in switched}}

    sampler = LFBOSampler(
        seed=0,
        n_startup_trials=n_startup_trials,
        canonical=canonical,
        warn_independent_sampling=False,
    )
    study = optuna.create_study(sampler=sampler)
    study.add_trials(data.draw(st.lists(trials(space, conditional=False), min_size=1, max_size=9)))
    tried = {key_of(canonical(trial.params)) for trial in study.trials}
    everything = {key_of(canonical(Space(space).decode(row))) for row in points}
    for _ in range(min(len(everything - tried), 12) + 2):
        params = (trial := study.ask(space)).params
        assert canonical(params) == params
        assert tried >= everything or key_of(params) not in tried
        tried.add(key_of(params))
        state = data.draw(st.sampled_from([*TrialState]))
        if state == TrialState.COMPLETE:
            study.tell(trial, data.draw(objective_values))
        elif state.is_finished():
            study.tell(trial, state=state)
