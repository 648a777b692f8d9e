"""How busy the GPU was, as its driver tells: the share of the time in which a kernel ran."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_COMMAND = (
    *("nvidia-smi", "--query-gpu=utilization.gpu"),
    *("--format=csv,noheader,nounits", "--loop-ms=500"),
)


class Samples:
    """Utilizations and when they were read, in seconds since the epoch."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, float]] = []

    def read(self, lines: Iterable[str]) -> None:
        """Takes samples as they come, until there are no more."""
        for line in lines:
            # A driver may have no such figure; it says so in words.
            with suppress(ValueError):
                self._samples.append((time.time(), float(line) / 100))

    def mean(self, begin: float, end: float) -> float | None:
        """Returns the mean over a time, or None without samples."""
        found = [share for at, share in self._samples if begin <= at <= end]
        return sum(found) / len(found) if found else None


@contextmanager
def sampled(environment: Mapping[str, str]) -> Iterator[Samples]:
    """Samples the first GPU that CUDA shows to processes of an environment, if there is one."""
    samples = Samples()
    first = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if shutil.which(_COMMAND[0]) is None:
        yield samples
        return
    with subprocess.Popen(
        [*_COMMAND, f"--id={first}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=samples.read, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            yield samples
        finally:
            process.kill()
            reader.join()
