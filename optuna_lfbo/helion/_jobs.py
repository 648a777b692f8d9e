"""What the worker processes do, and what they answer.

Everything here travels between the processes of one program, which trust each other.
"""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

from optuna_lfbo.helion import _compat_worker as compat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

_CLEARLY_SLOWER = 1.3
"""A first look at a candidate this many times slower than the best is enough."""
_FIRST_LOOK_CALLS = 5
_WINDOW_MS = 25.0
"""Of a whole measurement. With 50, as Helion has it, the medians of an H100 vary as much."""
_GRAPH_WINDOW_MS = 12.0
"""The same for replays of a graph, which has to be captured first; 50 are no better there."""
_SHORT_MS = 0.064
"""The same as Helion's. What takes less is replayed from a graph: the clearing of the cache before
each call is too short for a busy host to have launched the kernel by its end, and the device would
wait within what is timed."""


class Built(Protocol):
    """One configuration, compiled; comes out of a compiling process."""

    @property
    def source(self) -> str:
        """What was generated: the same text is the same program."""

    def load(self) -> Callable[..., object]:
        """Return the function to call with the kernel's arguments."""

    def unload(self, fn: Callable[..., object]) -> None:
        """Release what belongs to ``fn``."""


class Program(Protocol):
    """What is tuned, as the compiling processes know it."""

    def prepare(self) -> None:
        """Do what all configurations have in common."""

    def build(self, config: Mapping[str, object]) -> Built:
        """Compile one configuration; raises whatever the compiler raises."""


@dataclass(frozen=True)
class Reference:
    """What configurations are called with, and what is expected of them.

    Attributes:
        args: The arguments.
        mutated: Flat indices of the tensors among them that the kernel changes.
        output: The right result.
        args_after: The arguments as the right program leaves them.
        check: Compares the result with the right one and raises an AssertionError; None for
            no check.
        events: Whether device events measure, and not the host's clock.
    """

    args: Sequence[object]
    mutated: Sequence[int]
    output: object
    args_after: Sequence[object] | None
    check: Callable[[object, object], None] | None
    events: bool

    def fresh_args(self) -> Sequence[object]:
        """Arguments for a few calls."""
        return compat.clone_args(self.args, self.mutated) if self.mutated else self.args


@dataclass(frozen=True)
class Failure:
    """The exception that ended a job."""

    name: str
    message: str


@dataclass(frozen=True)
class Mismatch:
    """How a result differs from the right one."""

    message: str


@dataclass(frozen=True)
class Measurement:
    """A latency in milliseconds; of a first look, if the candidate is clearly slow."""

    latency_ms: float
    first_look: bool


@dataclass(frozen=True)
class CompileJob:
    """Compiles one configuration."""

    program: Program
    config: Mapping[str, object]

    def __call__(self) -> Built | Failure:
        """Return the compiled configuration or why there is none."""
        try:
            with compat.quiet():
                return self.program.build(self.config)
        except Exception as error:  # Compilers raise all sorts of things.
            return _failure(error)


@dataclass(frozen=True)
class MeasureJob:
    """Runs, checks and times one configuration.

    Attributes:
        built: The configuration.
        reference: Path of the `Reference`.
        best_ms: The best latency so far, if a first look may be enough.
    """

    built: Built
    reference: str
    best_ms: float | None

    def __call__(self) -> Measurement | Mismatch | Failure:
        """Return what came out.

        Raises:
            Exception: The device is lost to this process.
        """
        return _answer(self._measured, self.reference)

    def _measured(self, reference: Reference) -> Measurement | Mismatch:
        fn = self.built.load()
        try:
            args = reference.fresh_args()
            call = functools.partial(fn, *args)
            call()
            compat.synchronize_device()
            time = functools.partial(compat.milliseconds, call, events=reference.events)
            window_ms = _WINDOW_MS
            if reference.events and (self.best_ms or time(window_ms=1.0, mode="min")) < _SHORT_MS:
                time, window_ms = functools.partial(time, graph=True), _GRAPH_WINDOW_MS
            if (latency := self._first_look(time)) is not None:
                return Measurement(latency, first_look=True)
            if (mismatch := _mismatch(fn, reference)) is not None:
                return mismatch
            return Measurement(time(window_ms=window_ms, mode="median"), first_look=False)
        finally:
            self.built.unload(fn)

    def _first_look(self, time: Callable[..., float]) -> float | None:
        """The latency of a clearly slower candidate.

        The fastest of a few calls decides, as single ones may be several times too slow while
        compilers run beside them. The window is as long as that number of calls of a candidate
        that even so cannot be good, so slower ones are called less often, and never longer
        than that of a whole measurement.
        """
        if self.best_ms is None:
            return None
        window = min(3.0 * self.best_ms * _FIRST_LOOK_CALLS, _WINDOW_MS)
        latency = time(window_ms=window, mode="min")
        return latency if latency > _CLEARLY_SLOWER * self.best_ms else None


@dataclass(frozen=True)
class RetimeJob:
    """Times several configurations in turn, so that they are measured alike."""

    builts: Sequence[Built]
    reference: str
    rounds: int
    repeat: int

    def __call__(self) -> list[list[float]] | Failure:
        """Return for each configuration its median latency in each round."""
        return _answer(self._timed, self.reference)

    def _timed(self, reference: Reference) -> list[list[float]]:
        fns = [built.load() for built in self.builts]
        try:
            # There may be forty of them, and no room for as many copies of large arguments.
            args = reference.fresh_args()
            calls = [functools.partial(fn, *args) for fn in fns]
            time = functools.partial(compat.milliseconds_interleaved, events=reference.events)
            if reference.events and min(time(calls, repeat=1)) < _SHORT_MS:
                time = functools.partial(time, graph=True)
            medians: list[list[float]] = [[] for _ in calls]
            for turn in range(self.rounds):
                # Nobody shall always come after the same other.
                order = [(turn + i) % len(calls) for i in range(len(calls))]
                timed = time([calls[i] for i in order], repeat=self.repeat)
                for i, latency in zip(order, timed, strict=True):
                    medians[i].append(latency)
            return medians
        finally:
            for built, fn in zip(self.builts, fns, strict=True):
                built.unload(fn)


@dataclass(frozen=True)
class PrepareCompiler:
    """First job of a compiling process.

    Attributes:
        programs: What it is going to compile.
        cache: Folder where the measuring process finds what was compiled.
        niceness: How far it leaves the processor to those who ask and measure.
    """

    programs: Sequence[Program]
    cache: str
    niceness: int

    def __call__(self) -> None:
        """Do once what all configurations need."""
        _give_way(self.niceness)
        compat.use_cache(self.cache)
        # There are as many such processes as cores.
        torch.set_num_threads(1)
        for program in self.programs:
            program.prepare()


@dataclass(frozen=True)
class PrepareMeter:
    """First job of a measuring process.

    Attributes:
        cache: Folder in which the compiling processes leave what they compiled.
        references: Paths of each `Reference`, which may be written later.
    """

    cache: str
    references: Sequence[str]

    def __call__(self) -> None:
        """Touch the device, and read the references, both of which take a while."""
        compat.use_cache(self.cache)
        compat.synchronize_device()
        for reference in self.references:
            if Path(reference).exists():
                _reference(reference)


def _give_way(niceness: int) -> None:
    """Be at least so nice."""
    if (more := niceness - os.nice(0)) <= 0:
        return
    os.nice(more)
    # Where Linux shares the processor out among sessions, this is how nice this one is to others.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


@functools.cache
def _reference(path: str) -> Reference:
    reference: Reference = torch.load(path, weights_only=False)
    return reference


def _answer(work: Callable[[Reference], T], path: str) -> T | Failure:
    """What ``work`` returns, or why it failed; raises what lost this process the device."""
    try:
        reference = _reference(path)
        # Triton launches on the current device, wherever the arguments are.
        with compat.quiet(), compat.made_current(compat.device_of(reference.args)):
            return work(reference)
    except Exception as error:  # Launches raise all sorts of things.
        if compat.match_unrecoverable_runtime_error(error):
            raise
        return _failure(error)


def _mismatch(fn: Callable[..., object], reference: Reference) -> Mismatch | None:
    if reference.check is None:
        return None
    args = reference.fresh_args()
    output = fn(*args)
    compat.synchronize_device()
    try:
        reference.check(output, reference.output)
        if reference.mutated:
            reference.check(args, reference.args_after)
    except AssertionError as error:
        return Mismatch(str(error))
    return None


def _failure(error: Exception) -> Failure:
    return Failure(type(error).__name__, str(error))
