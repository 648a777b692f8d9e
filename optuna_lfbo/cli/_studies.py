"""Finds a study by its name."""

from __future__ import annotations

from pathlib import Path

import optuna
from sqlalchemy.engine import make_url

from optuna_lfbo.cli._errors import CommandError, storage_errors

_MOST_NAMES = 5


def study_called(name: str, storage: str) -> optuna.Study:
    """Return the only study whose name is, or begins with, ``name``.

    Raises:
        CommandError: There is none, or more than one, or the storage does not work.
    """
    with storage_errors(storage):
        _check_file(storage)
        names = optuna.get_all_study_names(storage)
        fitting = [known for known in names if known.startswith(name)]
        if name in names:
            fitting = [name]
        if len(fitting) == 1:
            return optuna.load_study(study_name=fitting[0], storage=storage)
    if fitting:
        raise CommandError(f"several studies begin with {name!r}: {_listed(fitting)}")
    raise CommandError(
        f"there is no study {name!r} in --storage={storage!r}; it has {_listed(names)}"
    )


def _check_file(storage: str) -> None:
    """Refuse an SQLite file that is not there, which opening it would make."""
    url = make_url(storage)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise CommandError(f"--storage={storage!r}: there is no file {url.database!r}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} others" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "none") + more
