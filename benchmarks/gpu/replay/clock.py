"""Virtual time: code that blocks runs as it is, and nothing ever sleeps."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class VirtualClock:
    """Lets the caller and any number of processes share a time that only moves when they wait.

    A process is a function that runs on a stack of its own until it waits. Exactly one of them
    runs at a time, and what is due at the same time happens in the order in which it was
    planned, so that the same processes always do the same.

    Calling it returns the seconds since it was made.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._caller = getcurrent()

    def __call__(self) -> float:
        return self._now

    def start(self, work: Callable[[], object]) -> None:
        """Begins a process; an exception of its comes out where the caller waits."""
        self._plan(self._now, greenlet(work, parent=self._caller).switch)

    def sleep(self, seconds: float) -> None:
        """Comes back after ``seconds``."""
        if self.is_in_process:
            self._plan(self._now + seconds, getcurrent().switch)
            self._caller.switch()
            return
        end = self._now + seconds
        while self.step(end):
            pass

    def step(self, end: float = math.inf) -> bool:
        """Lets what is due next happen, if it is before ``end``; else it is ``end``.

        Only for the caller.

        Returns:
            Whether something was due.
        """
        if not self._due or self._due[0][0] > end:
            self._now = max(self._now, end) if math.isfinite(end) else self._now
            return False
        self._now, _, happen = heapq.heappop(self._due)
        happen()
        return True

    def wait_for(self, future: Future[T]) -> None:
        """Comes back when ``future`` is done.

        Raises:
            RuntimeError: Nothing is due that could bring that about.
        """
        if self.is_in_process and not future.done():
            me = getcurrent()
            future.add_done_callback(lambda _: self._plan(self._now, me.switch))
            self._caller.switch()
        while not future.done():
            if not self.step():
                raise RuntimeError("What is waited for can never happen.")

    @property
    def is_anything_due(self) -> bool:
        """Whether a process waits for a moment."""
        return bool(self._due)

    @property
    def is_in_process(self) -> bool:
        """Whether this is asked by a process."""
        return getcurrent().parent is self._caller

    @property
    def is_elsewhere(self) -> bool:
        """Whether this is asked in another thread, where no virtual time passes."""
        return not self.is_in_process and getcurrent() is not self._caller

    def _plan(self, moment: float, happen: Callable[[], object]) -> None:
        heapq.heappush(self._due, (moment, next(self._order), happen))


class VirtualFuture(Future[T]):
    """A future that can be waited for in virtual time."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def result(self, timeout: float | None = None) -> T:
        """Returns the result as soon as there is one; there is no timeout."""
        self._clock.wait_for(self)
        return super().result()


class Seats:
    """What a few processes can have at a time, in the order in which they came."""

    def __init__(self, clock: VirtualClock, n: int) -> None:
        self._clock = clock
        self._n_free = n
        self._queue: deque[VirtualFuture[None]] = deque()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Waits for a seat and keeps it."""
        if self._n_free == 0:
            turn = VirtualFuture[None](self._clock)
            self._queue.append(turn)
            turn.result()
        else:
            self._n_free -= 1
        try:
            yield
        finally:
            if self._queue:
                self._queue.popleft().set_result(None)
            else:
                self._n_free += 1
