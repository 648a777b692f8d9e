"""Give the sampler another classifier than its forest, and see what difference it makes.

    python examples/own_classifier.py --trials 60 --seeds 10

Any classifier of scikit-learn with ``predict_proba`` does. The task is a made-up kernel with a
part of the space that does not compile; what is printed is the mean, over the seeds, of the best
latency found.
"""

from __future__ import annotations

import argparse
import statistics
from typing import TYPE_CHECKING, Any

import optuna
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from optuna_lfbo import LFBOSampler

if TYPE_CHECKING:
    from collections.abc import Sequence

CLASSIFIERS: dict[str, Any] = {
    "the sampler's forest": None,
    "nearest neighbours": KNeighborsClassifier(5, weights="distance"),
    "logistic regression": make_pipeline(PolynomialFeatures(2), LogisticRegression()),
    "Gaussian process": GaussianProcessClassifier(RBF(0.3), optimizer=None),
}


def objective(trial: optuna.Trial) -> float:
    """Return the latency of a made-up kernel in ms."""
    block_m = 2 ** trial.suggest_int("log2_block_m", 4, 8)
    block_n = 2 ** trial.suggest_int("log2_block_n", 4, 8)
    warps = trial.suggest_categorical("warps", [1, 2, 4, 8])
    stages = trial.suggest_int("stages", 1, 5)
    if block_m * block_n * stages > 2**16:
        raise MemoryError("out of shared memory")
    work = abs(block_m * block_n / (warps * 2048) - 1.0)
    return 1.0 + work + 16.0 / block_m + 16.0 / block_n + 0.3 / stages


def best_latency(classifier: Any, n_trials: int, seed: int) -> float:
    """Return the best latency of a study."""
    study = optuna.create_study(sampler=LFBOSampler(seed=seed, classifier=classifier))
    study.optimize(objective, n_trials=n_trials, catch=MemoryError)
    return study.best_value


def main(argv: Sequence[str] | None = None) -> None:
    """Compare some classifiers."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=60, help="of a study (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="studies of each (%(default)s)")
    options = parser.parse_args(argv)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, classifier in CLASSIFIERS.items():
        found = [best_latency(classifier, options.trials, seed) for seed in range(options.seeds)]
        print(f"{name:22}{statistics.mean(found):8.4f} ms")


if __name__ == "__main__":
    main()
