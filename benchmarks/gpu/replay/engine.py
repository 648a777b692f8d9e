"""The tuner's own engine with processes that exist in virtual time only."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.gpu.replay.clock import Seats, VirtualFuture
from optuna_lfbo.helion import _jobs
from optuna_lfbo.helion._compat_worker import BenchmarkSubprocessError, BenchmarkTimeout
from optuna_lfbo.helion._engine import Engine
from optuna_lfbo.helion._jobs import Failure, Measurement, Mismatch, RetimeJob
from optuna_lfbo.helion._processes import n_spares
from optuna_lfbo.helion._setup import Setup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.gpu.replay.clock import VirtualClock
    from benchmarks.gpu.replay.machine import Answer, Costs, Machine
    from optuna_lfbo.helion._jobs import CompileJob, MeasureJob
    from optuna_lfbo.helion._outcome import Outcome

COMPILE_LIMIT_S = 15.0
MEASURE_LIMIT_S = 30.0
"""Those of `tune` on a GPU."""


@dataclass(frozen=True)
class RecordedProgram:
    """A configuration that has been compiled.

    Attributes:
        answer: what the machine does with it.
    """

    answer: Answer

    @property
    def source(self) -> str:
        return self.answer.source

    def load(self) -> Callable[..., object]:
        raise NotImplementedError("There is no device in virtual time.")

    def unload(self, fn: Callable[..., object]) -> None:
        raise NotImplementedError("There is no device in virtual time.")


class Compilers:
    """Compiling processes, each of which takes one job at a time.

    Args:
        clock: the time that they live in.
        machine: what they compile for.
        costs: what takes how long.
        n: jobs that run at the same time.
        n_spare: processes beyond that, for the places of those that are killed.

    Attributes:
        n_jobs: jobs that have come and are not done.
    """

    def __init__(
        self, clock: VirtualClock, machine: Machine, costs: Costs, n: int, n_spare: int
    ) -> None:
        self._clock = clock
        self._machine = machine
        self._costs = costs
        self._running = Seats(clock, n)
        self._processes = Seats(clock, n + n_spare)
        self._compiled: set[str] = set()
        self.n_jobs = 0

    def run(self, job: CompileJob, limit_s: float) -> tuple[RecordedProgram | Failure, float]:
        """Compiles, as `Pool.run` does.

        Raises:
            BenchmarkTimeout: It takes longer than ``limit_s`` seconds.
        """
        answer = self._machine(job.config)
        if self._clock.is_elsewhere:
            # A finalist that is compiled once more, when nothing else goes on.
            return _compiled(answer), answer.compile_s
        self.n_jobs += 1
        try:
            with self._running.taken(), contextlib.ExitStack() as process:
                process.enter_context(self._processes.taken())
                return self._work(answer, limit_s, process)
        finally:
            self.n_jobs -= 1

    def _work(
        self, answer: Answer, limit_s: float, process: contextlib.ExitStack
    ) -> tuple[RecordedProgram | Failure, float]:
        is_known = answer.source in self._compiled
        seconds = self._costs.generate_s if is_known else answer.compile_s
        if answer.fault == "compile_timeout" or seconds > limit_s:
            self._clock.sleep(limit_s)
            self._clock.start(functools.partial(self._replace, process.pop_all()))
            raise BenchmarkTimeout
        self._clock.sleep(seconds)
        compiled = _compiled(answer)
        if isinstance(compiled, RecordedProgram):
            self._compiled.add(answer.source)
        return compiled, seconds

    def _replace(self, process: contextlib.ExitStack) -> None:
        with process:
            self._clock.sleep(self._costs.compiler_start_s)


def _compiled(answer: Answer) -> RecordedProgram | Failure:
    if answer.fault == "compile_error":
        return Failure("CompilationError", "as recorded")
    if answer.fault == "out_of_resources":
        return Failure("OutOfResources", "as recorded")
    return RecordedProgram(answer)


class Meter:
    """The measuring process.

    Attributes:
        retiming_s: seconds of the final comparison.
    """

    def __init__(self, clock: VirtualClock, costs: Costs, seed: int) -> None:
        self._clock = clock
        self._costs = costs
        self._seed = seed
        self._seats = Seats(clock, 1)
        self._gate: VirtualFuture[None] | None = None
        self.retiming_s = 0.0

    def shut(self) -> None:
        """Lets nothing begin until it is open again."""
        self._gate = VirtualFuture(self._clock)

    def open(self) -> None:
        """Lets everything begin."""
        if self._gate is not None:
            self._gate.set_result(None)
        self._gate = None

    def run(self, job: MeasureJob | RetimeJob, limit_s: float) -> tuple[Any, float]:
        """Measures, as `Pool.run` does.

        Raises:
            BenchmarkTimeout: It takes longer than ``limit_s`` seconds.
            BenchmarkSubprocessError: The process dies of it.
        """
        if isinstance(job, RetimeJob):
            with self._seats.taken():
                return self._timed(job)
        if self._gate is not None:
            self._gate.result()
        with self._seats.taken():
            assert isinstance(job.built, RecordedProgram)
            return self._measured(job.built.answer, job.best_ms, limit_s)

    def renew(self) -> None:
        """Begins with a new process."""
        with self._seats.taken():
            self._clock.sleep(self._costs.meter_start_s)

    def _measured(
        self, answer: Answer, best_ms: float | None, limit_s: float
    ) -> tuple[Measurement | Mismatch, float]:
        costs = self._costs
        if answer.fault == "benchmark_timeout":
            self._clock.sleep(limit_s + costs.meter_start_s)
            raise BenchmarkTimeout
        if answer.fault == "crash":
            self._clock.sleep(costs.first_look_s + costs.meter_start_s)
            raise BenchmarkSubprocessError("as recorded")
        latency_ms = costs.measured(answer, "first look", self._seed)
        if best_ms is not None and latency_ms > _jobs._CLEARLY_SLOWER * best_ms:
            seconds = costs.first_look_s + costs.first_look_calls * latency_ms / 1e3
            return self._after(seconds, Measurement(latency_ms, first_look=True))
        if answer.fault == "wrong_result":
            return self._after(costs.first_look_s, Mismatch("as recorded"))
        latency_ms = costs.measured(answer, "full", self._seed)
        seconds = costs.full_s + costs.full_calls * latency_ms / 1e3
        return self._after(seconds, Measurement(latency_ms, first_look=False))

    def _after(self, seconds: float, result: Any) -> tuple[Any, float]:
        self._clock.sleep(seconds)
        return result, seconds

    def _timed(self, job: RetimeJob) -> tuple[list[list[float]], float]:
        answers = [built.answer for built in job.builts if isinstance(built, RecordedProgram)]
        seconds = job.rounds * job.repeat * sum(answer.latency_ms for answer in answers) / 1e3
        self.retiming_s += seconds
        kinds = [f"final {turn}" for turn in range(job.rounds)]
        return self._after(seconds, [self._rounds(answer, kinds) for answer in answers])

    def _rounds(self, answer: Answer, kinds: Sequence[str]) -> list[float]:
        return [self._costs.measured(answer, kind, self._seed) for kind in kinds]


class VirtualProcesses:
    """In place of the tuner's `Processes`.

    Args:
        clock: the time that they live in.
        machine: what they work on.
        costs: what takes how long.
        n_compilers: configurations that are compiled at the same time.
        seed: of the noise of measurements.
    """

    cache = ""

    def __init__(
        self, clock: VirtualClock, machine: Machine, costs: Costs, n_compilers: int, seed: int
    ) -> None:
        self.clock = clock
        self.costs = costs
        self.n_compilers = n_compilers
        self.compilers = Compilers(clock, machine, costs, n_compilers, n_spares(n_compilers))
        self.meter = Meter(clock, costs, seed)

    def await_reading(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class VirtualEngine(Engine):
    """The engine, by another clock and with other processes."""

    def __init__(self, processes: VirtualProcesses) -> None:
        # Nothing is built or run, so nobody looks at the program and its reference.
        setup = Setup(None, None, None, COMPILE_LIMIT_S, MEASURE_LIMIT_S)  # type: ignore[arg-type]
        super().__init__(setup, "", processes)  # type: ignore[arg-type]
        self._clock = processes.clock

    def _promise(self) -> VirtualFuture[Outcome]:
        return VirtualFuture(self._clock)

    def _now(self) -> float:
        return self._clock()
