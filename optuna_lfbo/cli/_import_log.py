"""``optuna-lfbo import-log``."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna_lfbo.cli._errors import WRONG_ARGUMENTS, CommandError, storage_errors
from optuna_lfbo.cli._objects import arguments, found
from optuna_lfbo.cli._tune import tuning_errors

if TYPE_CHECKING:
    import argparse

_MOST_REASONS = 3


def run(options: argparse.Namespace) -> int:
    """Add what a log says to a study."""
    with tuning_errors(), storage_errors(options.storage):
        name, result = _imported(options)
    for reason in result.left_out[:_MOST_REASONS]:
        print(f"left out: {reason}", file=sys.stderr)
    if not options.quiet:
        print(f"study:    {name} in {options.storage}")
        print(
            f"imported: {result.n_added} trials; {result.n_known} were known, "
            f"{len(result.left_out)} do not fit the kernel"
        )
    if result.n_added + result.n_known == 0:
        raise CommandError("no configuration of the log fits the kernel and its arguments")
    return 0


def _imported(options: argparse.Namespace) -> tuple[str, Any]:
    from optuna_lfbo.helion._autotune_log import LogError, add_trials, read_log
    from optuna_lfbo.helion._kernel_task import task_of
    from optuna_lfbo.helion._storage import open_study

    path = Path(options.csv)
    try:
        entries = read_log(path, options.run)
        ended = datetime.fromtimestamp(path.stat().st_mtime)
    except (OSError, LogError) as error:
        raise CommandError(f"CSV={options.csv!r}: {error}", WRONG_ARGUMENTS) from error
    task = task_of(found(options.kernel, "KERNEL"), arguments(options.args))
    study = open_study(options.study or task.identity.study_name, options.storage)
    return study.study_name, add_trials(task, study, entries, ended)
