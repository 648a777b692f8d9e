"""The processes that compile and the one that measures."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import cloudpickle
import torch

from optuna_lfbo.helion._folder import work_folder
from optuna_lfbo.helion._jobs import PrepareCompiler, PrepareMeter
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion._pool import Pool
from optuna_lfbo.helion.exceptions import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optuna_lfbo.helion._jobs import Program, Reference

_LOAD_LIMIT_S = 120.0
_NICENESS = 10
_CORES_THAT_MEASURE = 2
_N_WORKERS = "LOCAL_WORLD_SIZE"


class Processes:
    """Killable processes that work on some programs, and the files they share.

    Args:
        programs: What they work on.
        device: What is measured. If that is not the processor itself, whose other cores are to
            be idle then, there is a compiling process for each core that this process may use,
            and spare ones; they give way to those that ask and measure.

    Attributes:
        cache: Folder of what compilers produce.
        compilers: Run `CompileJob`s.
        meter: Runs a `MeasureJob` or a `RetimeJob` at a time.
        n_compilers: The number of configurations that are compiled at the same time at most.
        references: For each program the path where its `Reference` is to be written.
    """

    def __init__(self, programs: Sequence[Program], device: torch.device) -> None:
        self._files = contextlib.ExitStack()
        folder = self._files.enter_context(work_folder())
        self.cache = str(folder / "cache")
        self.references = [str(folder / f"reference{i}.pt") for i, _ in enumerate(programs)]
        if device.type == "cpu":
            self.n_compilers, n_spare, niceness = max(1, _n_cores() - _CORES_THAT_MEASURE), 0, 0
        else:
            self.n_compilers, niceness = _n_cores(), _NICENESS
            n_spare = n_spares(self.n_compilers)
        self._prepare_compiler = PrepareCompiler(programs, self.cache, niceness)
        self._prepare_meter = PrepareMeter(self.cache, self.references)
        self.compilers = Pool(self.n_compilers, self._prepare_compiler, n_spare)
        self.meter = Pool(1, self._prepare_meter)
        self._reader = ThreadPoolExecutor(1)
        self._reading: Future[object] = Future()

    def start(self, n_compilers: int | None = None) -> None:
        """Start processes without waiting for them.

        Args:
            n_compilers: How many to start at once, by default all; more start when needed.
        """
        self.compilers.start(n_compilers or self.n_compilers)
        self.meter.start(1)

    def send(self, references: Sequence[Reference]) -> None:
        """Give each program's reference to the measuring process, and wait for a compiling one.

        Configurations can be compiled while the measuring one opens the device and reads.

        Raises:
            KernelError: A program or its reference cannot be sent to another process.
        """
        with _sending():
            for reference, path in zip(references, self.references, strict=True):
                torch.save(reference, path, pickle_module=cloudpickle)
            self._reading = self._reader.submit(self.meter.run, self._prepare_meter, _LOAD_LIMIT_S)
            self.compilers.run(self._prepare_compiler, _LOAD_LIMIT_S)

    def await_reading(self) -> None:
        """Wait until the measuring process has what was sent to it.

        Raises:
            KernelError: It cannot read that.
        """
        with _sending():
            self._reading.result()

    def close(self) -> None:
        """Kill the processes and delete the files."""
        self.compilers.close()
        self.meter.close()
        self._reader.shutdown(wait=False)
        self._files.close()


def n_spares(n_compilers: int) -> int:
    """Number of compiling processes that wait for the places of killed ones.

    A new one takes as long as some compilations. Those of a matmul that are stopped are one in
    thirty, but often ten at a time.
    """
    return n_compilers // 2


@contextlib.contextmanager
def _sending() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Whatever pickling, importing or binding raises.
        raise KernelError(
            "The kernel and its arguments cannot be sent to the processes that compile "
            f"and measure: {one_line(f'{type(error).__name__}: {error}')}"
        ) from error


def _n_cores() -> int:
    """Cores for compilers; others on this machine, as torchrun starts them, get as many."""
    n_workers = os.environ.get(_N_WORKERS, "")
    n_shares = int(n_workers) if n_workers.isdecimal() else 1
    return max(1, len(os.sched_getaffinity(0)) // max(1, n_shares))
