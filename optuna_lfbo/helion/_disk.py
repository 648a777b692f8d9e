"""A disk that is full, which is not the fault of the configuration that meets it."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from optuna_lfbo.helion._compat_worker import BenchmarkSubprocessError
from optuna_lfbo.helion._jobs import Failure
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion.exceptions import DiskFullError

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna_lfbo.helion._pool import Pool

T = TypeVar("T")

# Compilers are programs, of which nothing but their words arrives here.
_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_PATIENCE_S = 60.0
_PAUSE_S = 1.0
_CLEARING_S = 60.0


@dataclass(frozen=True)
class ClearCache:
    """Deletes what compilers have left, but not what they may be at work on.

    A job of the measuring process, which does not need any of it meanwhile, and compiles again
    what it misses.

    Attributes:
        folder: The cache.
        age_s: What was changed in the last seconds stays.
    """

    folder: str
    age_s: float

    def __call__(self) -> None:
        """Delete."""
        latest = time.time() - self.age_s
        for entry in Path(self.folder).glob("*"):
            with contextlib.suppress(FileNotFoundError):  # A compiler has deleted it itself.
                if entry.stat().st_mtime < latest:
                    shutil.rmtree(entry, ignore_errors=True)


def with_space(
    attempt: Callable[[], tuple[T, float]], meter: Pool, cache: str, age_s: float
) -> tuple[T, float]:
    """Return what ``attempt()`` does, called again after room has been made if the disk is full.

    Args:
        attempt: Returns an answer and the seconds it took.
        meter: The measuring process.
        cache: The folder of the compilers.
        age_s: What compilers have left so many seconds ago is finished.

    Raises:
        DiskFullError: It is still full after a minute.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        answer, seconds = attempt()
        if not (isinstance(answer, Failure) and _FULL.search(answer.message)):
            return answer, seconds
        if time.monotonic() > deadline:
            raise DiskFullError(
                f"The disk is full: {one_line(answer.message)}. Compilers write to {cache}; the "
                "environment variable TMPDIR moves that to another disk. Tune again to go on."
            )
        with contextlib.suppress(BenchmarkSubprocessError):  # A new process clears it next time.
            meter.run(ClearCache(cache, age_s), _CLEARING_S)
        time.sleep(_PAUSE_S)
