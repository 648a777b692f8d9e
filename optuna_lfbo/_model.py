"""The forest classifier behind one small interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

if TYPE_CHECKING:
    from optuna_lfbo._labels import Labels
    from optuna_lfbo._space import Array


class Forest:
    """A forest of extremely randomized trees that estimates the probability of being good.

    scikit-learn's trees take missing values (``NaN``) as they are.

    Args:
        features: Shape ``(n, n_features)``.
        labels: Labels and weights of shape ``(n,)``.
        seed: Seed of the forest.
        n_trees: Number of trees.
    """

    def __init__(self, features: Array, labels: Labels, seed: int, n_trees: int) -> None:
        forest = ExtraTreesClassifier(n_trees, random_state=seed)
        self._forest = forest.fit(features, labels.good, sample_weight=labels.weights)

    def score(self, features: Array) -> Array:
        """Probability of being good, shape ``(n,)``; its odds order as the density ratio."""
        if len(features) == 0 or len(self._forest.classes_) < 2:
            return np.zeros(len(features))
        return np.asarray(self._forest.predict_proba(features)[:, 1])
