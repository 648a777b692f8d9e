"""``optuna-lfbo export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from optuna_lfbo._note import decorator_line
from optuna_lfbo._winner import winner_of
from optuna_lfbo.cli._errors import CommandError, storage_errors
from optuna_lfbo.cli._studies import study_called

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Print the best configuration, or write it to a file."""
    study = study_called(options.study, options.storage)
    with storage_errors(options.storage):
        winner = winner_of(study)
        attributes = study.user_attrs
    if winner is None:
        raise CommandError(
            f"the study {study.study_name!r} has no kernel configuration that was measured yet"
        )
    if options.format == "json":
        text = json.dumps(winner.configuration, indent=2)
    else:
        text = decorator_line(winner.configuration, attributes)
    if options.output is None:
        print(text)
    else:
        _write(Path(options.output), text)
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--output={str(path)!r}: {error}") from error
