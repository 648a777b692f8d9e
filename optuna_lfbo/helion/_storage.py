"""Opens a study that several processes may open at once."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, Final

import optuna
import sqlalchemy.event
from optuna.storages import GrpcStorageProxy, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalRedisBackend
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

_PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
_SQLITE_WAIT_S: Final = 10.0
"""So long a process waits for others that write before it asks again; nothing interrupts it."""


_wanted = threading.local()


def open_study(
    name: str, storage: str | BaseStorage | None, sampler: BaseSampler | None = None
) -> optuna.Study:
    """Return the study called ``name``, which is made if it is not there."""
    # Optuna makes the tables of a new database without a lock against other processes, so
    # that of several workers started at once only one would get through.
    for pause in _PAUSES_S:
        try:
            return _created(name, storage, sampler)
        except (IntegrityError, OperationalError, ProgrammingError) as error:
            if not _is_being_made(error):
                raise
        time.sleep(pause)
    return _created(name, storage, sampler)


def _created(
    name: str, storage: str | BaseStorage | None, sampler: BaseSampler | None
) -> optuna.Study:
    opened = opened_storage(storage) if isinstance(storage, str) else storage
    return optuna.create_study(
        study_name=name, storage=opened, sampler=sampler, load_if_exists=True
    )


def opened_storage(url: str) -> BaseStorage:
    """Return the storage that ``url`` names.

    Args:
        url: ``sqlite:///file.db`` or another database of SQLAlchemy's, ``redis://host:port`` for
            a journal in Redis, ``grpc://host:port`` for Optuna's proxy server, or the path of a
            journal file.

    Raises:
        ValueError: It names no storage.
        ImportError: The package that speaks to it is not installed.
    """
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        return JournalStorage(JournalFileBackend(url))
    if scheme in ("redis", "rediss"):
        return JournalStorage(_WithoutSnapshots(JournalRedisBackend(url)))
    if scheme == "grpc":
        host, _, port = rest.rpartition(":")
        if not (host and port.isdecimal()):
            raise ValueError(f"storage={url!r}: expected grpc://host:port.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return GrpcStorageProxy(host=host, port=int(port))
    return _database(url)


class _WithoutSnapshots(BaseJournalBackend):
    """A journal without the pickled snapshots that others may have put beside it.

    Whoever can write to a Redis server could make those execute anything.
    """

    def __init__(self, backend: BaseJournalBackend) -> None:
        self._backend = backend

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return what has been written from one entry on."""
        return self._backend.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write."""
        self._backend.append_logs(logs)


def _database(url: str) -> RDBStorage:
    """Return a relational database, made fast if it is an SQLite file.

    With a write-ahead log transactions do not wait for the disk one by one; what a process has
    written survives its death either way.
    """
    if not url.startswith("sqlite"):
        return RDBStorage(url, engine_kwargs=_server_options(url))
    opened = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _SQLITE_WAIT_S}})
    sqlalchemy.event.listen(opened.engine, "connect", _use_write_ahead_log)
    sqlalchemy.event.listen(opened.engine, "begin", _lock_if_wanted)
    opened.engine.dispose()
    return opened


def _server_options(url: str) -> dict[str, Any]:
    # A server that was started again has forgotten the connections that it had.
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith(("mysql", "mariadb")):
        # PostgreSQL's default, too. In their own, MariaDB's newer servers let nobody write to
        # what others have changed since the transaction began, as workers that start or end
        # at once do.
        options["isolation_level"] = "READ COMMITTED"
    return options


@contextlib.contextmanager
def exclusively() -> Iterator[None]:
    """Let what this thread does to an SQLite file from here on be done as one.

    Optuna looks at a trial's state and then changes it. Other databases lock the row from the
    first look; SQLite, unless it is told, only from the change. Two workers would take the same
    trial from the queue, and the second to tell of it would overwrite what the first has told.
    """
    _wanted.lock = True
    try:
        yield
    finally:
        _wanted.lock = False


def _lock_if_wanted(connection: sqlalchemy.Connection) -> None:
    if getattr(_wanted, "lock", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _use_write_ahead_log(connection: Any, record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _is_being_made(error: Exception) -> bool:
    return any(text in str(error) for text in ("already exists", "alembic_version"))
