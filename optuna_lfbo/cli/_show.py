"""``optuna-lfbo show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_lfbo._note import markdown_note
from optuna_lfbo.cli._errors import storage_errors
from optuna_lfbo.cli._studies import study_called

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Print the note of a study."""
    study = study_called(options.study, options.storage)
    with storage_errors(options.storage):
        note = markdown_note(study)
    print(note, end="")
    return 0
