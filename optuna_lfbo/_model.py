"""The classifier behind one small interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils.validation import has_fit_parameter

if TYPE_CHECKING:
    from optuna_lfbo._labels import Labels
    from optuna_lfbo._space import Array


class Forest:
    """A classifier that estimates the probability of being good.

    By default a forest of extremely randomized trees; scikit-learn's trees take missing values
    (``NaN``) as they are.

    Args:
        features: Shape ``(n, n_features)``.
        labels: Labels and weights of shape ``(n,)``.
        seed: Seed of every ``random_state`` that is not set.
        n_trees: Number of trees.
        classifier: Another scikit-learn classifier, of which a clone is fitted; without the
            weights if it does not take any.
    """

    def __init__(
        self,
        features: Array,
        labels: Labels,
        seed: int,
        n_trees: int,
        classifier: Any = None,
    ) -> None:
        self._classifier: Any = None
        # Many classifiers refuse to learn a single class.
        if labels.good.all() or not labels.good.any():
            return
        template = ExtraTreesClassifier(n_trees) if classifier is None else classifier
        weights = (
            {"sample_weight": labels.weights}
            if has_fit_parameter(template, "sample_weight")
            else {}
        )
        self._classifier = _seeded(clone(template), seed).fit(features, labels.good, **weights)

    def score(self, features: Array) -> Array:
        """Probability of being good, shape ``(n,)``; its odds order as the density ratio."""
        if len(features) == 0 or self._classifier is None:
            return np.zeros(len(features))
        return np.asarray(self._classifier.predict_proba(features)[:, 1])


def _seeded(classifier: Any, seed: int) -> Any:
    """Set every ``random_state`` in ``classifier`` that is None, as in steps of a pipeline."""
    unset = {
        name: seed
        for name, value in classifier.get_params(deep=True).items()
        if value is None and name.split("__")[-1] == "random_state"
    }
    return classifier.set_params(**unset)
