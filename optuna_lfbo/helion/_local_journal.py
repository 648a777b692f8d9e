"""A journal file for processes of one machine, with a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock

if TYPE_CHECKING:
    from pathlib import Path


def local_journal(path: Path) -> JournalStorage:
    """Return a storage in the file ``path``, which has to be on a local disk.

    Many workers on one machine are served by it with a fraction of the processor time that a
    database takes. It can be pickled for other processes.
    """
    lock = KernelLock(f"{path}.lock")
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


class KernelLock(BaseJournalFileLock):
    """Optuna's own locks are files, which a killed process leaves behind.

    Args:
        path: Of a file that is made for it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return True

    def release(self) -> None:
        """Let others have it."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_file": None}
