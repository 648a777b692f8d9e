"""Tune a Helion kernel while optuna-dashboard shows how that goes.

    python examples/dashboard.py
    optuna-dashboard sqlite:///dashboard.db    # in another terminal

The note and the plots on the study's page are refreshed every few seconds, and when tuning has
ended. Without a CUDA device a small matmul is tuned through the interpreter of Helion's Pallas
backend.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import optuna
from tune_helion_kernel import arguments_of, matmul

from optuna_lfbo.dashboard import DashboardCallback
from optuna_lfbo.helion import tune

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Tune a matmul and fill its study's page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=40, help="to run now (%(default)s)")
    parser.add_argument("--storage", default="sqlite:///dashboard.db", help="%(default)s")
    options = parser.parse_args(argv)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"to look at it, run in another terminal: optuna-dashboard {options.storage}")
    with DashboardCallback() as dashboard:
        result = tune(
            matmul,
            arguments_of("matmul"),
            n_trials=options.trials,
            storage=options.storage,
            callbacks=[dashboard],
            show_progress_bar=True,
        )
    print(
        f"the page of {result.study.study_name} took {dashboard.spent_s:.1f} s to keep up to date"
    )


# The processes that compile and measure import this file again.
if __name__ == "__main__":
    main()
