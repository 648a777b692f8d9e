"""Opens a study that several processes may open at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import optuna
import sqlalchemy.event
from optuna.storages import RDBStorage
from sqlalchemy.exc import IntegrityError, OperationalError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

_PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6)


def open_study(
    name: str, storage: str | BaseStorage | None, sampler: BaseSampler | None = None
) -> optuna.Study:
    """Return the study called ``name``, which is made if it is not there."""
    # Optuna makes the tables of a new database without a lock against other processes, so
    # that of several workers started at once only one would get through.
    for pause in _PAUSES_S:
        try:
            return _created(name, storage, sampler)
        except (IntegrityError, OperationalError) as error:
            if not _is_being_made(error):
                raise
        time.sleep(pause)
    return _created(name, storage, sampler)


def _created(
    name: str, storage: str | BaseStorage | None, sampler: BaseSampler | None
) -> optuna.Study:
    return optuna.create_study(
        study_name=name, storage=_opened(storage), sampler=sampler, load_if_exists=True
    )


def _opened(storage: str | BaseStorage | None) -> str | BaseStorage | None:
    """Return ``storage``, made fast if it is the URL of an SQLite file.

    A trial of a kernel is some thirty transactions. With a write-ahead log they do not wait
    for the disk one by one; what a process has written survives its death either way.
    """
    if not (isinstance(storage, str) and storage.startswith("sqlite")):
        return storage
    opened = RDBStorage(storage)
    sqlalchemy.event.listen(opened.engine, "connect", _use_write_ahead_log)
    opened.engine.dispose()
    return opened


def _use_write_ahead_log(connection: Any, record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _is_being_made(error: Exception) -> bool:
    return any(text in str(error) for text in ("already exists", "alembic_version"))
