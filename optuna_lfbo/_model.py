"""The classifier behind one small interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import RandomForestClassifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optuna_lfbo._labels import Labels
    from optuna_lfbo._space import Array


class Forest:
    """A random forest that estimates the probability of being good.

    scikit-learn's trees take missing values (``NaN``) as they are.

    Args:
        features: Shape ``(n, n_features)``.
        labels: Labels and weights of shape ``(n,)``.
        seed: Seed of the forest.
        n_trees: Number of trees.
    """

    def __init__(self, features: Array, labels: Labels, seed: int, n_trees: int) -> None:
        self._forest = RandomForestClassifier(
            n_trees, min_samples_leaf=1, max_features="sqrt", random_state=seed
        )
        self._forest.fit(features, labels.good, sample_weight=labels.weights)
        self._single_class = len(self._forest.classes_) < 2

    def score(self, features: Array) -> Array:
        """Probability of being good, shape ``(n,)``; its odds order as the density ratio."""
        if self._single_class:
            return np.zeros(len(features))
        return np.asarray(self._forest.predict_proba(features)[:, 1])

    def leaves(self, features: Array) -> NDArray[np.int64]:
        """Leaf of every tree, shape ``(n, n_trees)``."""
        if len(features) == 0:
            return np.empty((0, len(self._forest.estimators_)), dtype=np.int64)
        return np.asarray(self._forest.apply(features))
