"""Worker processes that stay warm, and are replaced when they hang or die."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from optuna_lfbo.helion import _compat_worker as compat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_START_LIMIT_S = 180.0
"""Seconds for a process to start, to import everything and to get ready."""


class _Seat:
    """One process, started and prepared when it is needed."""

    def __init__(self, prepare: Callable[[], object]) -> None:
        self._prepare = prepare
        self._worker = compat.Worker()
        self._is_prepared = False

    @property
    def is_ready(self) -> bool:
        return self._is_prepared and bool(self._worker.alive())

    def get_ready(self) -> None:
        if not self.is_ready:
            self._worker.run(self._prepare, _START_LIMIT_S)
            self._is_prepared = True

    def run(self, job: Callable[[], T], limit_s: float) -> T:
        result: T = self._worker.run(job, limit_s)
        return result

    def stop(self) -> None:
        self._worker.stop()


class Pool:
    """Processes that each run one job at a time.

    Safe to be called from several threads; more calls than ``size`` wait.

    Args:
        size: Largest number of jobs that run at the same time. Processes for them start with
            `start`, or when they are needed.
        prepare: First job of every process, the replacement of a dead one included.
        n_spare: Processes beyond that, which are ready to replace dead ones.
    """

    def __init__(self, size: int, prepare: Callable[[], object], n_spare: int = 0) -> None:
        self._seats = [_Seat(prepare) for _ in range(size + n_spare)]
        self._size = size
        self._running = threading.BoundedSemaphore(size)
        self._idle: queue.PriorityQueue[tuple[bool, int]] = queue.PriorityQueue()
        self._is_closed = False
        for number in range(size):
            self._put(number)

    def start(self, n: int) -> None:
        """Start up to ``n`` processes without waiting for them, with spare ones if that is all."""
        numbers = [self._taken() for _ in range(min(n, self._size))]
        threading.Thread(target=self._start, args=(numbers,), daemon=True).start()

    def run(self, job: Callable[[], T], limit_s: float) -> tuple[T, float]:
        """Run ``job`` in a process.

        Returns:
            What the job returned and the seconds it took.

        Raises:
            BenchmarkTimeout: It took longer than ``limit_s`` seconds; its process is killed.
            BenchmarkSubprocessError: Its process died.
            RuntimeError: The pool is closed.
            Exception: What the job raised, or the preparation of a process.
        """
        with self._running:
            number = self._taken()
            try:
                if self._is_closed:
                    raise RuntimeError("The processes have been stopped.")
                seat = self._seats[number]
                seat.get_ready()
                started = time.perf_counter()
                result = seat.run(job, limit_s)
                return result, time.perf_counter() - started
            finally:
                self._give_back(number)

    def renew(self) -> None:
        """End an idle process; another one takes its place."""
        number = self._taken()
        try:
            self._seats[number].stop()
        finally:
            self._give_back(number)

    def close(self) -> None:
        """Kill all processes, and end the calls that wait for them."""
        self._is_closed = True
        for seat in self._seats:
            seat.stop()

    def _start(self, numbers: Sequence[int]) -> None:
        for thread in [self._prepare(number) for number in numbers]:
            thread.join()
        if len(numbers) == self._size:
            # Not before, as the others are waited for.
            for number in range(self._size, len(self._seats)):
                self._get_ready(number)

    def _taken(self) -> int:
        """The number of a seat that is idle, if possible one that is ready."""
        return self._idle.get()[1]

    def _put(self, number: int) -> None:
        self._idle.put((not self._seats[number].is_ready, number))

    def _give_back(self, number: int) -> None:
        """Put a seat back, at once or when another process has taken the place of a dead one."""
        if self._seats[number].is_ready or self._is_closed:
            self._put(number)
        else:
            self._prepare(number)

    def _prepare(self, number: int) -> threading.Thread:
        thread = threading.Thread(target=self._get_ready, args=(number,), daemon=True)
        thread.start()
        return thread

    def _get_ready(self, number: int) -> None:
        seat = self._seats[number]
        try:
            # An error comes again when the process is asked for, and is reported then.
            with contextlib.suppress(Exception):
                if not self._is_closed:
                    seat.get_ready()
        finally:
            if self._is_closed:  # Perhaps after it has ended them all.
                seat.stop()
            self._put(number)
