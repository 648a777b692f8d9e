"""A classifier of the user's in place of the forest."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from optuna_lfbo import LFBOSampler
from optuna_lfbo._labels import label
from optuna_lfbo._model import Forest

CLASSIFIERS = [
    GaussianNB(),
    KNeighborsClassifier(3),
    make_pipeline(SimpleImputer(), LogisticRegression()),
]


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_int("x", 0, 20)
    y = trial.suggest_categorical("y", ["a", "b", "c"])
    if y == "c":
        raise ValueError("c does not work")
    return abs(x - 13) + 5.0 * (y == "a")


def best_of(classifier: Any, n_trials: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=LFBOSampler(seed=seed, classifier=classifier))
    study.optimize(objective, n_trials=n_trials, catch=ValueError)
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
def test_any_classifier_of_scikit_learn_serves(classifier: Any) -> None:
    before = repr(classifier)
    assert {"x": 13, "y": "b"} in best_of(classifier)
    assert repr(classifier) == before
    assert not hasattr(classifier, "classes_"), "the user's own is not fitted"


class Recorder(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Prefers what is large in the first feature, and remembers what it has been given."""

    seen: list[tuple[Any, ...]] = []  # noqa: RUF012

    def fit(self, features: Any, good: Any, sample_weight: Any = None) -> Recorder:
        self.classes_ = np.unique(good)
        self.seen.append((features, good, sample_weight))
        return self

    def predict_proba(self, features: Any) -> Any:
        return np.column_stack([1.0 - features[:, 0], features[:, 0]])


def test_a_classifier_gets_balanced_weights_and_both_classes() -> None:
    Recorder.seen.clear()
    best_of(Recorder(), n_trials=20)
    assert Recorder.seen
    for features, good, weights in Recorder.seen:
        assert len(features) == len(good) == len(weights)
        assert 0.0 <= np.nanmin(features) <= np.nanmax(features) <= 1.0
        assert weights[good].sum() == pytest.approx(weights[~good].sum())


def test_the_filter_keeps_what_the_classifier_prefers() -> None:
    features = np.array([[0.1], [0.9], [0.5]])
    labels = label(np.array([1.0, 2.0, 3.0]), quantile=0.3)
    assert Forest(features, labels, 0, 30, Recorder()).score(features).tolist() == [0.1, 0.9, 0.5]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_unset_random_state_follows_the_seed() -> None:
    mlp = MLPClassifier(hidden_layer_sizes=(4,), max_iter=3)
    assert best_of(make_pipeline(mlp), 15, seed=1) == best_of(make_pipeline(mlp), 15, seed=1)


def test_a_single_class_needs_no_fit() -> None:
    labels = label(np.array([1.0]), quantile=0.3)
    features = np.zeros((1, 1))
    assert Forest(features, labels, 0, 30, LogisticRegression()).score(features) == [0.0]


def test_a_sampler_with_a_classifier_can_be_pickled() -> None:
    sampler = pickle.loads(pickle.dumps(LFBOSampler(seed=0, classifier=GaussianNB())))
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=10, catch=ValueError)


@pytest.mark.parametrize("wrong", [GaussianNB, SVC(), "forest", LogisticRegression().fit])
def test_what_is_not_a_classifier_of_probabilities_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^classifier=.*expected a scikit-learn classifier"):
        LFBOSampler(classifier=wrong)
