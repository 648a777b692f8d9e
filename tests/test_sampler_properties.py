"""Any space, any trials: a valid answer, never a duplicate, the same run from the same seed."""

from __future__ import annotations

from typing import Any

import optuna
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from optuna_lfbo import LFBOSampler
from tests.strategies import finite_distributions, objective_values, spaces, trials

slow = settings(max_examples=40)
Space = dict[str, BaseDistribution]


def make_study(direction: str = "minimize", **kwargs: Any) -> optuna.Study:
    sampler = LFBOSampler(seed=0, warn_independent_sampling=False, **kwargs)
    return optuna.create_study(direction=direction, sampler=sampler)


@slow
@given(st.data(), spaces(), st.sampled_from(["minimize", "maximize"]), st.integers(0, 3))
def test_an_answer_inside_the_distributions(
    data: st.DataObject, space: Space, direction: str, n_startup_trials: int
) -> None:
    study = make_study(direction, n_startup_trials=n_startup_trials)
    study.add_trials(data.draw(st.lists(trials(space), max_size=12)))
    for _ in range(3):
        trial = study.ask(space)
        for name, distribution in space.items():
            assert distribution._contains(distribution.to_internal_repr(trial.params[name]))


@slow
@given(st.data(), spaces(finite_distributions, max_size=3), st.integers(0, 3))
def test_no_duplicates_while_there_are_untried_points(
    data: st.DataObject, space: Space, n_startup_trials: int
) -> None:
    study = make_study(n_startup_trials=n_startup_trials)
    study.add_trials(data.draw(st.lists(trials(space, conditional=False), min_size=1, max_size=9)))
    tried = {_key(trial.params) for trial in study.trials}
    n_points = 1
    for distribution in space.values():
        choices = getattr(distribution, "choices", None)
        n_points *= (
            len(choices)
            if choices is not None
            else (distribution.high - distribution.low) // distribution.step + 1  # type: ignore[attr-defined]
        )
    for _ in range(min(n_points - len(tried), 12) + 2):
        trial = study.ask(space)
        if len(tried) < n_points:
            assert _key(trial.params) not in tried
        tried.add(_key(trial.params))
        state = data.draw(st.sampled_from([*TrialState]))
        if state == TrialState.COMPLETE:
            study.tell(trial, data.draw(objective_values))
        elif state.is_finished():
            study.tell(trial, state=state)


@slow
@given(st.data(), spaces(), st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_run(data: st.DataObject, space: Space, seed: int) -> None:
    outcomes = data.draw(st.lists(st.one_of(st.none(), objective_values), min_size=6, max_size=6))

    def run() -> list[dict[str, Any]]:
        study = optuna.create_study(sampler=LFBOSampler(seed=seed, n_startup_trials=2))
        for value in outcomes:
            trial = study.ask(space)
            state = TrialState.FAIL if value is None else TrialState.COMPLETE
            study.tell(trial, value, state=state)
        return [trial.params for trial in study.trials]

    assert run() == run()


def _key(params: dict[str, Any]) -> tuple[Any, ...]:
    return tuple((name, type(value), value) for name, value in sorted(params.items()))
