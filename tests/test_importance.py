"""Importance of parameters as the classifier sees it."""

from __future__ import annotations

import optuna
import pytest
from optuna.importance import get_param_importances

from optuna_lfbo import LFBOImportanceEvaluator
from tests.studies import conditional, kernel_study, maximised, only_failures


def test_what_separates_good_from_bad_is_important() -> None:
    study = kernel_study(200)
    importances = get_param_importances(study, evaluator=LFBOImportanceEvaluator())
    assert list(importances)[-1] == "layout"
    assert importances["layout"] < 0.1
    assert sum(importances.values()) == pytest.approx(1.0)
    assert importances == get_param_importances(study, evaluator=LFBOImportanceEvaluator())


def test_what_makes_trials_fail_is_important() -> None:
    """No evaluator of Optuna's can see it, as all trials that succeed have the same value."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("harmless", 0.0, 1.0)
        if trial.suggest_float("memory", 0.0, 1.0) > 0.7:
            raise MemoryError
        return 1.0

    study.optimize(objective, n_trials=80, catch=MemoryError)
    importances = get_param_importances(study, evaluator=LFBOImportanceEvaluator())
    assert importances["memory"] > 0.9


def test_it_looks_for_the_best_in_either_direction() -> None:
    study = maximised()
    assert next(iter(get_param_importances(study, evaluator=LFBOImportanceEvaluator()))) == "n"


def test_conditional_parameters_are_assessed() -> None:
    importances = get_param_importances(conditional(), evaluator=LFBOImportanceEvaluator())
    assert importances.keys() == {"solver", "depth", "rate"}
    assert list(importances.values()) == sorted(importances.values(), reverse=True)


def test_some_parameters_may_be_asked_for() -> None:
    evaluator = LFBOImportanceEvaluator(quantile=0.1)
    study = kernel_study(100)
    found = get_param_importances(study, evaluator=evaluator, params=["num_warps", "layout"])
    assert found.keys() == {"num_warps", "layout"}
    with pytest.raises(ValueError, match="typo"):
        get_param_importances(study, evaluator=evaluator, params=["typo"])


def test_another_value_may_count() -> None:
    study = kernel_study(100)
    found = get_param_importances(
        study,
        evaluator=LFBOImportanceEvaluator(),
        target=lambda trial: float(trial.params["layout"] == "row"),
    )
    assert next(iter(found)) == "layout"


@pytest.mark.parametrize("make", [optuna.create_study, only_failures])
def test_without_good_and_bad_trials_none_is_important(make: object) -> None:
    study = make()  # type: ignore[operator]
    evaluator = LFBOImportanceEvaluator()
    assert set(evaluator.evaluate(study).values()) <= {0.0}


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="quantile=1"):
        LFBOImportanceEvaluator(quantile=1.0)
    several = optuna.create_study(directions=["minimize", "minimize"])
    with pytest.raises(ValueError, match="target"):
        LFBOImportanceEvaluator().evaluate(several)


def test_optuna_plots_it() -> None:
    figure = optuna.visualization.plot_param_importances(
        kernel_study(100), evaluator=LFBOImportanceEvaluator()
    )
    assert next(iter(figure.data[0].y)) == "layout"
