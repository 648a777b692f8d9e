"""Worker processes that stay warm, and are replaced when they hang or die."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from optuna_lfbo.helion import _compat_worker as compat

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_START_LIMIT_S = 180.0
"""Seconds for a process to start, to import everything and to get ready."""


class _Seat:
    """One process, started and prepared when it is needed."""

    def __init__(self, prepare: Callable[[], object]) -> None:
        self._prepare = prepare
        self._worker = compat.Worker()
        self._is_ready = False

    def get_ready(self) -> None:
        if not (self._is_ready and self._worker.alive()):
            self._worker.run(self._prepare, _START_LIMIT_S)
            self._is_ready = True

    def run(self, job: Callable[[], T], limit_s: float) -> T:
        result: T = self._worker.run(job, limit_s)
        return result

    def stop(self) -> None:
        self._worker.stop()


class Pool:
    """Processes that each run one job at a time.

    Safe to be called from several threads; more calls than processes wait.

    Args:
        size: Largest number of processes. They start with `start`, or when they are needed.
        prepare: First job of every process, the replacement of a dead one included.
    """

    def __init__(self, size: int, prepare: Callable[[], object]) -> None:
        self._seats = [_Seat(prepare) for _ in range(size)]
        self._idle: queue.LifoQueue[_Seat] = queue.LifoQueue()
        self._is_closed = False
        for seat in self._seats:
            self._idle.put(seat)

    def start(self, n: int) -> None:
        """Start up to ``n`` processes without waiting for them."""
        for _ in self._seats[:n]:
            threading.Thread(target=self._start_one, daemon=True).start()

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
        seat = self._idle.get()
        try:
            if self._is_closed:
                raise RuntimeError("The processes have been stopped.")
            seat.get_ready()
            started = time.perf_counter()
            result = seat.run(job, limit_s)
            return result, time.perf_counter() - started
        finally:
            self._idle.put(seat)

    def renew(self) -> None:
        """End an idle process; another one takes its place when it is needed."""
        seat = self._idle.get()
        try:
            seat.stop()
        finally:
            self._idle.put(seat)

    def close(self) -> None:
        """Kill all processes, and end the calls that wait for them."""
        self._is_closed = True
        for seat in self._seats:
            seat.stop()

    def _start_one(self) -> None:
        seat = self._idle.get()
        try:
            # An error comes again when the process is asked for, and is reported then.
            with contextlib.suppress(Exception):
                seat.get_ready()
        finally:
            self._idle.put(seat)
