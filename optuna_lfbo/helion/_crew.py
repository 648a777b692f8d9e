"""Who waits for the processes while the tuning thread asks for more trials."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from concurrent.futures import Future

    from optuna_lfbo.helion._outcome import Outcome


class Crew(Protocol):
    """Runs measurements, each of which blocks until it is done, beside the caller."""

    def submit(self, measure: Callable[[], Outcome]) -> Future[Outcome]:
        """Begin one without waiting for it."""

    def wait(
        self, futures: Collection[Future[Outcome]], timeout_s: float
    ) -> Iterable[Future[Outcome]]:
        """Return those that are done, after ``timeout_s`` seconds if none is before."""

    def close(self) -> None:
        """Begin no more, and do not wait for those that have begun."""


class Threads:
    """A crew of one thread a measurement.

    Args:
        size: Measurements at once.
    """

    def __init__(self, size: int) -> None:
        self._executor = ThreadPoolExecutor(size, thread_name_prefix="lfbo")

    def submit(self, measure: Callable[[], Outcome]) -> Future[Outcome]:
        """Begin a measurement without waiting for it."""
        return self._executor.submit(measure)

    def wait(
        self, futures: Collection[Future[Outcome]], timeout_s: float
    ) -> Iterable[Future[Outcome]]:
        """Return those that are done, after ``timeout_s`` seconds if none is before."""
        if not futures:
            time.sleep(timeout_s)
        return wait(futures, timeout=timeout_s, return_when=FIRST_COMPLETED).done

    def close(self) -> None:
        """Begin no more, and do not wait for those that have begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)
