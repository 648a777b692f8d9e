"""What the sampler reads from the trials of a study."""

from __future__ import annotations

import datetime

import optuna
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection

from optuna_lfbo._canonical import Representatives
from optuna_lfbo._history import History, Table
from optuna_lfbo._space import Space

DISTRIBUTIONS = {"x": FloatDistribution(0.0, 1.0)}


def n_vain(study: optuna.Study) -> int:
    space, history = Space(DISTRIBUTIONS), History()
    history.update(study)
    table = Table(space, StudyDirection.MINIMIZE, Representatives(space, None))
    table.update(history)
    return table.n_vain


def test_what_ran_beside_the_best_trial_was_not_in_vain() -> None:
    study = optuna.create_study()
    batch = [study.ask(DISTRIBUTIONS) for _ in range(3)]
    for trial, value in zip(batch, (2.0, 1.0, 3.0), strict=True):
        study.tell(trial, value)
    assert n_vain(study) == 0
    for value in (1.0, None):
        state = optuna.trial.TrialState.FAIL if value is None else None
        study.tell(study.ask(DISTRIBUTIONS), value, state)
    assert n_vain(study) == 2
    study.tell(study.ask(DISTRIBUTIONS), 0.5)
    assert n_vain(study) == 0


def test_times_may_have_a_zone() -> None:
    study = optuna.create_study()
    for value in (1.0, 2.0):
        trial = optuna.trial.create_trial(
            value=value, params={"x": 0.5}, distributions=DISTRIBUTIONS
        )
        if value == 2.0:
            trial.datetime_start = datetime.datetime.now(datetime.timezone.utc)
            trial.datetime_complete = datetime.datetime.now(datetime.timezone.utc)
        study.add_trial(trial)
    assert n_vain(study) == 1
