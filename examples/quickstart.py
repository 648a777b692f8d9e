"""Tune a scikit-learn model, some of whose settings do not go together.

    python examples/quickstart.py --trials 40

Not every solver of a logistic regression takes every penalty. Such a trial raises an exception
and fails, and the sampler learns to keep away from it.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import optuna
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from optuna_lfbo import LFBOSampler

if TYPE_CHECKING:
    from collections.abc import Sequence

FEATURES, LABELS = load_breast_cancer(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    """Return the accuracy of a model with the trial's settings."""
    model = LogisticRegression(
        C=trial.suggest_float("C", 1e-4, 1e3, log=True),
        l1_ratio=trial.suggest_float("l1_ratio", 0.0, 1.0, step=0.25),
        solver=trial.suggest_categorical("solver", ["lbfgs", "liblinear", "newton-cg", "saga"]),
        class_weight=trial.suggest_categorical("class_weight", [None, "balanced"]),
        max_iter=trial.suggest_int("max_iter", 50, 400, step=50),
    )
    pipeline = make_pipeline(StandardScaler(), model)
    # The default would make a failure a value that is not a number, with a warning.
    scores = cross_val_score(pipeline, FEATURES, LABELS, cv=3, error_score="raise")
    return float(scores.mean())


def main(argv: Sequence[str] | None = None) -> None:
    """Run a study and print what it has found."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=40, help="to run (%(default)s)")
    parser.add_argument("--seed", type=int, help="of the sampler")
    options = parser.parse_args(argv)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ConvergenceWarning)
    study = optuna.create_study(direction="maximize", sampler=LFBOSampler(seed=options.seed))
    study.optimize(objective, n_trials=options.trials, catch=ValueError)

    states = Counter(trial.state.name.lower() for trial in study.trials)
    print("trials:   " + ", ".join(f"{n} {state}" for state, n in states.most_common()))
    print(f"accuracy: {study.best_value:.4f}")
    for name, value in study.best_params.items():
        print(f"  {name} = {value!r}")


if __name__ == "__main__":
    main()
