"""What waits for a virtual machine in place of threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.gpu.replay.clock import VirtualFuture

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from concurrent.futures import Future

    from benchmarks.gpu.replay.clock import VirtualClock
    from benchmarks.gpu.replay.engine import VirtualProcesses
    from optuna_lfbo.helion._outcome import Outcome


class VirtualCrew:
    """Runs each measurement as a process of virtual time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._done: list[Future[Outcome]] = []

    def submit(self, measure: Callable[[], Outcome]) -> Future[Outcome]:
        future = VirtualFuture["Outcome"](self._clock)
        future.add_done_callback(self._done.append)
        self._clock.start(partial(_fulfil, future, measure))
        return future

    def wait(
        self, futures: Collection[Future[Outcome]], timeout_s: float
    ) -> Iterable[Future[Outcome]]:
        """Returns those that are done, in the order of time."""
        end = self._clock() + timeout_s
        while not self._done and self._clock.step(end):
            pass
        if futures and not self._done and not self._clock.is_anything_due:
            raise RuntimeError("What is in flight can never end.")
        return self._taken()

    def close(self) -> None:
        """Does nothing: what nobody waits for does not go on."""

    def _taken(self) -> list[Future[Outcome]]:
        done = self._done.copy()
        self._done.clear()
        return done


class Generations(VirtualCrew):
    """Waits for all at once: they are asked for, then compiled, then measured one by one.

    Compilations may begin while the rest of the generation is asked for.
    """

    def __init__(self, clock: VirtualClock, processes: VirtualProcesses) -> None:
        super().__init__(clock)
        self._processes = processes
        processes.meter.shut()

    def wait(
        self, futures: Collection[Future[Outcome]], timeout_s: float
    ) -> Iterable[Future[Outcome]]:
        """Returns nothing without waiting, or all of a generation."""
        if timeout_s == 0.0:
            return []
        self._clock.sleep(0.0)
        while self._processes.compilers.n_jobs and self._clock.step():
            pass
        self._processes.meter.open()
        while len(self._done) < len(futures) and self._clock.step():
            pass
        self._processes.meter.shut()
        return self._taken()


def _fulfil(future: Future[Outcome], measure: Callable[[], Outcome]) -> None:
    try:
        outcome = measure()
    except Exception as error:  # Comes out where the result is asked for.
        future.set_exception(error)
    else:
        future.set_result(outcome)
