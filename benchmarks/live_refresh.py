"""What it costs to keep a study's page in optuna-dashboard up to date.

    python -m benchmarks.live_refresh

Tunes a matmul on the CPU, with the study in an SQLite file and its page refreshed while that
goes on, and then refreshes once the pages of longer studies.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np
import optuna
import torch

from examples.tune_helion_kernel import matmul
from optuna_lfbo.dashboard import DashboardCallback, refresh
from optuna_lfbo.helion import tune

_SIZES = (100, 1000)
_N_PARAMS = 15


def tuning(storage: str, n_trials: int) -> None:
    """Print the share of the time of tuning that refreshing has taken."""
    args = torch.randn(64, 128), torch.randn(128, 256)
    dashboard = DashboardCallback()
    result = tune(matmul, args, storage=storage, n_trials=n_trials, callbacks=[dashboard])
    wall_s = result.study.user_attrs["tuning"]["wall_s"]
    share = dashboard.spent_s / wall_s
    print(
        f"tuning: {len(result.study.trials)} trials in {wall_s:.1f} s, "
        f"refreshing took {dashboard.spent_s:.2f} s, {share:.2%} of the time"
    )


def long_study(storage: str, n_trials: int) -> optuna.Study:
    """A study of that many trials in a file, of which every tenth has failed."""
    distribution = optuna.distributions.IntDistribution(0, 7)
    space = {f"log2_block_sizes[{i}]": distribution for i in range(_N_PARAMS)}
    rng = np.random.default_rng(0)
    study = optuna.create_study()
    for number in range(n_trials):
        values = rng.integers(0, 8, _N_PARAMS).tolist()
        failed = number % 10 == 9
        study.add_trial(
            optuna.create_trial(
                state=optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE,
                value=None if failed else 1.0 + abs(values[0] - 3) + values[1],
                params=dict(zip(space, values, strict=True)),
                distributions=space,
                user_attrs={"status": "compile_error" if failed else "ok", "compile_s": 1.0},
            )
        )
    optuna.copy_study(
        from_study_name=study.study_name, from_storage=study._storage, to_storage=storage
    )
    return optuna.load_study(study_name=study.study_name, storage=storage)


def one_refresh(storage: str, n_trials: int) -> None:
    """Print how long a refresh takes, once the trials have been read."""
    study = long_study(storage, n_trials)
    refresh(study)
    started = time.perf_counter()
    refresh(study)
    print(f"one refresh: {n_trials} trials, {time.perf_counter() - started:.2f} s")


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trials", type=int, default=100, help="to tune (%(default)s)")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        tuning(f"sqlite:///{folder}/tuning.db", options.trials)
        for n_trials in _SIZES:
            one_refresh(f"sqlite:///{folder}/{n_trials}.db", n_trials)


# The processes that compile and measure import this file again.
if __name__ == "__main__":
    main()
