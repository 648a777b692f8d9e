"""Finds a study by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from sqlalchemy.engine import make_url

from optuna_lfbo.cli._errors import CommandError, storage_errors

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_MOST_NAMES = 5


def study_called(name: str, storage: str) -> optuna.Study:
    """Return the only study whose name is, or begins with, ``name``.

    Raises:
        CommandError: There is none, or more than one, or the storage does not work.
    """
    with storage_errors(storage):
        _check_file(storage)
        opened = _opened(storage)
        names = optuna.get_all_study_names(opened)
        fitting = [known for known in names if known.startswith(name)]
        if name in names:
            fitting = [name]
        if len(fitting) == 1:
            return optuna.load_study(study_name=fitting[0], storage=opened)
    if fitting:
        raise CommandError(f"several studies begin with {name!r}: {_listed(fitting)}")
    raise CommandError(
        f"there is no study {name!r} in --storage={storage!r}; it has {_listed(names)}"
    )


def _opened(storage: str) -> str | BaseStorage:
    """Return the storage; a relational database needs neither torch nor Helion."""
    scheme, is_url, _ = storage.partition("://")
    if is_url and scheme not in ("redis", "rediss", "grpc"):
        return storage
    from optuna_lfbo.helion._storage import opened_storage

    try:
        return opened_storage(storage)
    except ValueError as error:
        raise CommandError(f"--storage={storage!r}: {error}") from error


def _check_file(storage: str) -> None:
    """Refuse a file that is not there, which opening it would make."""
    path: str | None = storage
    if "://" in storage:
        url = make_url(storage)
        path = url.database if url.get_backend_name() == "sqlite" else None
    if path and not Path(path).exists():
        raise CommandError(f"--storage={storage!r}: there is no file {path!r}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} others" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "none") + more
