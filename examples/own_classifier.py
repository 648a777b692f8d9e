"""Give the sampler another classifier than its forest, and see what difference it makes.

    python examples/own_classifier.py --trials 30 --seeds 10

Any classifier of scikit-learn with ``predict_proba`` does. It only filters the sampler's
candidates, so do not expect much of another one. The task is a made-up kernel, a part of whose
space does not compile; what is printed is the mean, over the seeds, of the best latency found.
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
    block_m, block_n, block_k = (2 ** trial.suggest_int(f"log2_block_{x}", 4, 8) for x in "mnk")
    warps = trial.suggest_categorical("warps", [1, 2, 4, 8, 16])
    stages = trial.suggest_int("stages", 1, 6)
    order = trial.suggest_categorical("order", ["mn", "nm", "grouped"])
    group = trial.suggest_int("group", 1, 16)
    unroll = trial.suggest_int("unroll", 1, 8)
    if (block_m + block_n) * block_k * stages > 2**16 or unroll * block_k > 2**9:
        raise MemoryError("out of shared memory or registers")
    threads = abs(block_m * block_n / (warps * 1024) - 1.0)
    reuse = 24.0 / block_m + 24.0 / block_n + 16.0 / block_k
    cache = 0.2 * abs(group - 6) if order == "grouped" else 1.5
    return 1.0 + threads + reuse + cache + 0.4 / stages + 0.1 * (unroll % 4 != 0)


def best_latency(classifier: Any, n_trials: int, seed: int) -> float:
    """Return the best latency of a study."""
    study = optuna.create_study(sampler=LFBOSampler(seed=seed, classifier=classifier))
    study.optimize(objective, n_trials=n_trials, catch=MemoryError)
    return study.best_value


def main(argv: Sequence[str] | None = None) -> None:
    """Compare some classifiers."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=30, help="of a study (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="studies of each (%(default)s)")
    options = parser.parse_args(argv)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, classifier in CLASSIFIERS.items():
        found = [best_latency(classifier, options.trials, seed) for seed in range(options.seeds)]
        print(f"{name:22}{statistics.mean(found):8.4f} ms")


if __name__ == "__main__":
    main()
