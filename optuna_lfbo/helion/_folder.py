"""A temporary folder that does not outlive the process that has made it for long."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = "optuna_lfbo-"
_LOCK: Final = "in_use"


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A new folder; those that processes have left that were killed are deleted.

    What compilers leave in one may be some gigabytes. Whoever uses a folder holds a lock on a
    file in it, which ends with the process.
    """
    _sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        folder = Path(name)
        unlocked = folder / "new"
        with unlocked.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Only now others may look whether it is locked.
            unlocked.rename(folder / _LOCK)
            yield folder


def _sweep() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        # It may be somebody else's, or be locked, or be gone by now.
        with contextlib.suppress(OSError), path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
