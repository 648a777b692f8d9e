"""A benchmark kernel on a GPU that is not there, with its records."""

from __future__ import annotations

import contextlib
import json
import math
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.gpu import kernels
from benchmarks.gpu.problems import PROBLEMS
from benchmarks.gpu.replay.records import records
from benchmarks.gpu.replay.surrogate import Surrogate
from benchmarks.gpu.replay.task import VirtualTask
from optuna_lfbo.helion import _compat
from optuna_lfbo.helion._identity import make_identity, source_of
from optuna_lfbo.helion._kernel_task import KernelTask
from optuna_lfbo.helion._task import Task
from optuna_lfbo.helion.space import KernelSpace
from tests.kernels.case import Case
from tests.kernels.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.gpu.replay.engine import VirtualProcesses
    from benchmarks.gpu.replay.machine import Answer

_DEVICE = "a replayed H200"


class World:
    """A kernel bound for a simulated GPU of the Hopper kind, and what a machine does with it.

    Its code is really generated, so that configurations with the same one are found out. Use it
    within :meth:`simulated`.

    Args:
        kernel: name of a problem.
        paths: files of records.

    Raises:
        ValueError: The files have nothing of the kernel.
    """

    def __init__(self, kernel: str, paths: Sequence[Path]) -> None:
        self.kernel = kernel
        platform = PLATFORMS["triton-hopper"]
        reference = PROBLEMS[kernel].reference
        case = Case(getattr(kernels, kernel).fn, lambda device: _args(kernel, device), reference)
        self.helion_kernel = platform.kernel(case)
        self.bound_kernel = platform.bind(case)
        self.space = KernelSpace(self.bound_kernel)
        self.surrogate = Surrogate(self.space, records(paths, kernel))
        self._answers: dict[str, Answer] = {}

    @staticmethod
    @contextlib.contextmanager
    def simulated() -> Iterator[None]:
        """Makes Helion believe in the GPU."""
        with PLATFORMS["triton-hopper"].simulated():
            yield

    def machine(self, config: Mapping[str, Any]) -> Answer:
        """Answers for a configuration."""
        key = json.dumps(dict(config), sort_keys=True)
        if key not in self._answers:
            self._answers[key] = self.surrogate.answer(config, self._source(config, key))
        return self._answers[key]

    def latency(self, params: Mapping[str, Any]) -> float:
        """Tells the latency of a point in milliseconds, NaN if it fails."""
        try:
            config = self.space.config(params)
        except _compat.InvalidConfig:
            return math.nan
        answer = self.surrogate.answer(config, source="")
        return math.nan if answer.fault else answer.latency_ms

    def _source(self, config: Mapping[str, Any], key: str) -> str:
        try:
            complete = _compat.completed(self.bound_kernel, config)
            return str(self.bound_kernel.to_triton_code(complete))
        except Exception:  # Helion raises all sorts of things where it cannot generate code.
            return key


class WorldTask(VirtualTask, KernelTask):
    """The kernel as a thing to tune."""

    def __init__(self, world: World, processes: VirtualProcesses) -> None:
        self.processes = processes
        self.kernel = world.helion_kernel
        self.bound_kernel = world.bound_kernel
        self.space = world.space
        self.device = torch.device("cpu")
        source = source_of(world.helion_kernel.fn)
        Task.__init__(
            self,
            identity=make_identity("helion", world.kernel, source, (), _DEVICE),
            distributions=self.space.distributions,
            seeds=[seed.config for seed in self.space.seeds],
            default=self.space.default.config,
        )


def _args(kernel: str, device: str) -> tuple[torch.Tensor, ...]:
    return tuple(maker.tensor(device) for maker in PROBLEMS[kernel].gpu)
