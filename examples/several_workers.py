"""Run one study by several processes that share its storage.

    python examples/several_workers.py --workers 4 --trials 60

Nothing but the storage connects them: started by hand on other machines, with a database that all
of them reach, they would work in the same way. Each worker's sampler sees what all have finished,
and keeps away from what the others are trying. A worker that is killed loses its trial, not the
study.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import optuna
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState
from quickstart import objective
from sklearn.exceptions import ConvergenceWarning

from optuna_lfbo import LFBOSampler

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "several-workers"


def labelled_objective(trial: optuna.Trial) -> float:
    """Return the accuracy, and note who has found it."""
    trial.set_user_attr("worker", os.getpid())
    return objective(trial)


def work(storage: str, n_trials: int) -> None:
    """Take part in the study until all workers together have finished ``n_trials`` more."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ConvergenceWarning)
    study = optuna.load_study(study_name=NAME, storage=storage, sampler=LFBOSampler())
    finished = (TrialState.COMPLETE, TrialState.FAIL)
    enough = MaxTrialsCallback(n_trials, states=finished)
    study.optimize(labelled_objective, catch=ValueError, callbacks=[enough])


def main(argv: Sequence[str] | None = None) -> None:
    """Start the workers, wait for them, and print what each has done."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workers", type=int, default=4, help="%(default)s")
    parser.add_argument("--trials", type=int, default=60, help="of the study (%(default)s)")
    parser.add_argument("--storage", default="sqlite:///several_workers.db", help="%(default)s")
    options = parser.parse_args(argv)

    # Made here, so that not all workers try to at once.
    study = optuna.create_study(
        study_name=NAME, storage=options.storage, direction="maximize", load_if_exists=True
    )
    # Not forked: the libraries have started threads.
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=work, args=(options.storage, options.trials))
        for _ in range(options.workers)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    counts = Counter(trial.user_attrs.get("worker") for trial in study.trials)
    print(f"accuracy: {study.best_value:.4f} after {len(study.trials)} trials")
    for worker_id, n_trials in counts.most_common():
        print(f"  {n_trials} by process {worker_id}")


if __name__ == "__main__":
    main()
