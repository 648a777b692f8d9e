"""Opens a study that several processes may open at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import optuna
from sqlalchemy.exc import IntegrityError, OperationalError

from optuna_lfbo.helion._study import open_storage

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
        study_name=name, storage=open_storage(storage), sampler=sampler, load_if_exists=True
    )


def _is_being_made(error: Exception) -> bool:
    return any(text in str(error) for text in ("already exists", "alembic_version"))
