"""Compiles many configurations at once and measures one at a time, in other processes."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import statistics
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from optuna_lfbo.helion import _compat_worker as compat
from optuna_lfbo.helion._disk import with_space
from optuna_lfbo.helion._jobs import (
    CompileJob,
    Failure,
    MeasureJob,
    RetimeJob,
)
from optuna_lfbo.helion._outcome import Outcome, key_of, one_line
from optuna_lfbo.helion._verdict import measured, not_built
from optuna_lfbo.helion.exceptions import DiskFullError, UnusableDeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optuna_lfbo.helion._jobs import Built
    from optuna_lfbo.helion._outcome import Status
    from optuna_lfbo.helion._processes import Processes
    from optuna_lfbo.helion._setup import Setup

    BestLatency: TypeAlias = Callable[[], float | None]

T = TypeVar("T")

_LEAST_LIMIT_S = 2.0
_USUAL_COMPILES = 10
_SLOWEST_USUAL = 4.0
"""Times the median. In 33 recorded runs all that came within 2 % of the best latency had compiled
within what these two allow, the slowest in 1.7 s."""
_OUT_OF_MEMORY = re.compile(r"out of memory|OutOfMemory|MemoryError")
_TOO_GOOD = 0.8
"""What takes less than so much of the best latency is measured twice before it is believed."""


def _unknown() -> None:
    """No best latency is known."""


class CompileLimit:
    """Seconds that a compilation may take, learned from those that have finished.

    Args:
        most_s: The limit until enough is known, and never exceeded.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._seconds: list[float] = []

    def add(self, seconds: float) -> None:
        """Enter a compilation that finished."""
        self._seconds.append(seconds)

    @property
    def seconds(self) -> float:
        """Several times what most of them took."""
        if len(self._seconds) < _USUAL_COMPILES:
            return self._most_s
        usual = statistics.median(self._seconds)
        return min(self._most_s, max(_LEAST_LIMIT_S, _SLOWEST_USUAL * usual))


class Measurer(Protocol):
    """Measures configurations of a task, one program or several."""

    @property
    def n_compilers(self) -> int:
        """The number of compiling processes at most."""

    @property
    def busy_s(self) -> float:
        """Seconds that the measuring process has worked."""

    @property
    def unit(self) -> str:
        """What values are measured in."""

    @property
    def unit_ms(self) -> float:
        """Milliseconds of device time that a value of 1 stands for."""

    def measure(self, config: Mapping[str, object], best_ms: BestLatency = ...) -> Outcome:
        """Compile, check and time one configuration."""

    def retime(
        self, configs: Sequence[Mapping[str, object]], rounds: int, repeat: int
    ) -> list[list[float]]:
        """Time several configurations in turn."""

    def code(self, config: Mapping[str, object]) -> str | None:
        """What was measured of a configuration, as generated source; None if not here."""

    def close(self) -> None:
        """End the processes."""


class Engine:
    """Measures configurations of one program, and survives whatever they do.

    Args:
        setup: The program.
        reference: Path of its `Reference`.
        processes: Compile and measure.

    Attributes:
        busy_s: Seconds that the measuring process has worked for this program.
    """

    unit = "ms"
    unit_ms = 1.0

    def __init__(self, setup: Setup, reference: str, processes: Processes) -> None:
        self._program = setup.program
        self._compile_limit = CompileLimit(setup.compile_limit_s)
        self._measure_limit_s = setup.measure_limit_s
        self._reference = reference
        self._processes = processes
        self._compilers = processes.compilers
        self._meter = processes.meter
        self._lock = threading.Lock()
        self._measured: dict[str, Future[Outcome]] = {}
        self._contenders: dict[str, Built] = {}
        self.busy_s = 0.0

    @property
    def n_compilers(self) -> int:
        """The number of compiling processes at most."""
        return self._processes.n_compilers

    def close(self) -> None:
        """Kill the processes and delete the files."""
        self._processes.close()

    def measure(self, config: Mapping[str, object], best_ms: BestLatency = _unknown) -> Outcome:
        """Compile, check and time one configuration; never raise for what it does wrong.

        Blocks, and is meant to be called from several threads.

        Args:
            config: The configuration.
            best_ms: Called when the measurement begins, for the best latency so far: a first
                look is enough for a candidate that is clearly slower. None for no such look.

        Raises:
            KernelError: The measuring process cannot read what it was sent.
            UnusableDeviceError: It hangs and cannot be killed.
            DiskFullError: There is no room for what compilers write.
        """
        built, compile_s = self._built(config)
        if isinstance(built, Outcome):
            return built
        with self._lock:
            mine = self._promise()
            first = self._measured.setdefault(_digest(built), mine)
        if first is not mine:
            return _same_program(first, compile_s)
        try:
            best = best_ms()
            outcome = self._run(built, compile_s, best)
            if is_too_good(outcome, best):
                outcome = slower(outcome, self._run(built, compile_s, None))
        except BaseException as error:
            with self._lock:
                del self._measured[_digest(built)]
            mine.set_exception(error)
            raise
        mine.set_result(outcome)
        if outcome.latency_ms is not None and not outcome.first_look:
            self._contenders[key_of(config)] = built
        return outcome

    def again(self, config: Mapping[str, object], outcome: Outcome) -> Outcome:
        """Measure a configuration once more; return the worse of both outcomes."""
        built = self._contenders.get(key_of(config))
        if built is None:
            return outcome
        return slower(outcome, self._run(built, outcome.compile_s, None))

    def retime(
        self, configs: Sequence[Mapping[str, object]], rounds: int, repeat: int
    ) -> list[list[float]]:
        """Time several configurations in turn.

        Returns:
            For each configuration its median latency in milliseconds in each round.

        Raises:
            KernelError: The measuring process cannot read what it was sent.
            RuntimeError: One of them fails, or all take too long.
        """
        self._processes.await_reading()
        with ThreadPoolExecutor(max_workers=self.n_compilers) as executor:
            builts = list(executor.map(self._contender, configs))
        job = RetimeJob(builts, self._reference, rounds, repeat)
        try:
            answer, seconds = self._meter.run(job, len(builts) * self._measure_limit_s)
        except compat.BenchmarkSubprocessError as error:
            raise RuntimeError(str(error)) from error
        self.busy_s += seconds
        if isinstance(answer, Failure):
            raise RuntimeError(f"{answer.name}: {answer.message}")
        return answer

    def code(self, config: Mapping[str, object]) -> str | None:
        """What was measured of a configuration, as generated source; None if not here."""
        built = self._contenders.get(key_of(config))
        return None if built is None else built.source

    def _contender(self, config: Mapping[str, object]) -> Built:
        """A configuration that has been measured, here or in an earlier run."""
        if (known := self._contenders.get(key_of(config))) is not None:
            return known
        built, _ = self._built(config)
        if isinstance(built, Outcome):
            raise RuntimeError(built.error)
        return built

    def _built(self, config: Mapping[str, object]) -> tuple[Built | Outcome, float]:
        """The compiled configuration, or why there is none, and the seconds it took."""
        limit = self._compile_limit.seconds
        try:
            job = CompileJob(self._program, config)
            answer, seconds = self._with_space(lambda: self._compilers.run(job, limit))
        except compat.BenchmarkTimeout:
            reason = f"the compiler had not finished after {limit:.3g} s"
            return Outcome("compile_timeout", error=reason, compile_s=limit), limit
        except compat.BenchmarkSubprocessError as error:
            reason = f"the compiler took its process down: {error}"
            return Outcome("compile_error", error=one_line(reason)), 0.0
        self._compile_limit.add(seconds)
        if isinstance(answer, Failure):
            return not_built(answer, seconds), seconds
        return answer, seconds

    def _with_space(self, run: Callable[[], tuple[T, float]]) -> tuple[T, float]:
        age_s = self._compile_limit.seconds
        return with_space(run, self._meter, self._processes.cache, age_s)

    def _run(self, built: Built, compile_s: float, best_ms: float | None) -> Outcome:
        self._processes.await_reading()
        outcome = self._run_once(built, compile_s, best_ms)
        if not _OUT_OF_MEMORY.search(outcome.error or ""):
            return outcome
        # Perhaps it was an earlier configuration that has left no memory to this one.
        self._meter.renew()
        again = self._run_once(built, compile_s, best_ms)
        if _OUT_OF_MEMORY.search(again.error or ""):
            self._meter.renew()
        return dataclasses.replace(again, measure_s=outcome.measure_s + again.measure_s)

    def _run_once(self, built: Built, compile_s: float, best_ms: float | None) -> Outcome:
        job, limit = MeasureJob(built, self._reference, best_ms), self._measure_limit_s
        started = self._now()
        try:
            answer, seconds = self._with_space(lambda: self._meter.run(job, limit))
            outcome = measured(answer, compile_s, seconds)
        except compat.BenchmarkWorkerUnkillable as error:
            raise UnusableDeviceError(
                f"The process that measures hangs and cannot be killed: {error}. Start a new "
                "process to go on with the study."
            ) from error
        except compat.BenchmarkTimeout:
            reason = f"the kernel had not finished after {limit:.3g} s"
            outcome = Outcome("benchmark_timeout", None, reason, compile_s, limit)
        except compat.BenchmarkSubprocessError as error:
            reason = one_line(f"the kernel took its process down: {error}")
            seconds = self._now() - started
            outcome = Outcome("runtime_error", None, reason, compile_s, seconds)
        except DiskFullError:
            raise
        except Exception as error:  # The kernel lost the device, and its process is replaced.
            failure = Failure(type(error).__name__, str(error))
            outcome = measured(failure, compile_s, self._now() - started)
        self.busy_s += outcome.measure_s
        return outcome

    def _promise(self) -> Future[Outcome]:
        """What those wait for who come to the same program meanwhile."""
        return Future()

    def _now(self) -> float:
        """Seconds by the clock that the processes live by."""
        return time.perf_counter()


def is_too_good(outcome: Outcome, best_ms: float | None) -> bool:
    """Whether a latency is so good that it may be an error of the measurement."""
    if outcome.latency_ms is None or best_ms is None:
        return False
    return outcome.latency_ms < _TOO_GOOD * best_ms


def slower(first: Outcome, second: Outcome) -> Outcome:
    """The worse one of two outcomes of one configuration, with the time that both took."""
    is_worse = second.latency_ms is None or second.latency_ms > (first.latency_ms or math.inf)
    worse = second if is_worse else first
    return dataclasses.replace(worse, measure_s=first.measure_s + second.measure_s)


def _digest(built: Built) -> str:
    return hashlib.sha256(built.source.encode()).hexdigest()


def _same_program(first: Future[Outcome], compile_s: float) -> Outcome:
    outcome = first.result()
    status: Status = "duplicate" if outcome.status == "ok" else outcome.status
    reason = "generates the same source as an earlier configuration"
    error = reason if outcome.error is None else outcome.error
    return dataclasses.replace(
        outcome, status=status, error=error, compile_s=compile_s, measure_s=0.0
    )
