"""Tune a Helion kernel by several processes that share one storage.

    python examples/several_workers.py --workers 3 --trials 20

Nothing but the storage connects them: started by hand, on machines with the same kind of device
and a database that all of them reach, they would work in the same way. On one GPU more workers
measure no faster, as they disturb each other's timings.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections import Counter
from typing import TYPE_CHECKING

import optuna
from my_kernels import make_args, softmax

from optuna_lfbo.helion import tune

if TYPE_CHECKING:
    from collections.abc import Sequence


def work(storage: str, n_trials: int) -> None:
    """Take part in the study, or begin it."""
    tune(softmax, make_args(), storage=storage, n_trials=n_trials, show_progress_bar=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Start the workers, wait for them, and print what each has done."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workers", type=int, default=2, help="%(default)s")
    parser.add_argument("--trials", type=int, default=20, help="at most (%(default)s)")
    parser.add_argument("--storage", default="sqlite:///helion_tuning.db", help="%(default)s")
    options = parser.parse_args(argv)

    # A process that has started threads, as torch does, must not be forked.
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=work, args=(options.storage, options.trials))
        for _ in range(options.workers)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    for summary in optuna.get_all_study_summaries(options.storage):
        if summary.user_attrs.get("kernel") != "softmax":
            continue
        study = optuna.load_study(study_name=summary.study_name, storage=options.storage)
        counts = Counter(trial.user_attrs.get("worker") for trial in study.trials)
        print(f"{study.study_name}: best {study.best_value:.4g} ms")
        for worker_name, n_trials in counts.items():
            print(f"  {n_trials} trials by {worker_name}")


if __name__ == "__main__":
    main()
