"""The space of a Helion kernel, with a surrogate of what a GPU makes of it, as a task."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from benchmarks.tasks.base import FlatTask, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

KERNELS = ("attention",)
_FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"
RECORDS = tuple(
    _FOLDER / f"{name}.jsonl.gz"
    for name in ("gpu_attention_with_starts", "gpu_runs", "gpu_runs_h100")
)
_N_REFERENCE = 300
"""Random points, of which each takes some 20 ms."""


class SurrogateTask(FlatTask):
    """Milliseconds of a configuration, or a failure.

    Different points may be the same configuration, as Helion repairs them. From now on this
    process has Helion believe in the GPU: to begin and to end that takes ten times as long as an
    evaluation.

    Args:
        kernel: name of the kernel.
    """

    def __init__(self, kernel: str) -> None:
        # These need Helion, which the other tasks do not.
        from benchmarks.gpu.replay.world import World

        self._simulation = World.simulated()
        self._simulation.__enter__()
        self._world = World(kernel, RECORDS)
        self._name = f"surrogate/{kernel}"
        self.distributions = self._world.space.distributions

    @cached_property
    def reference(self) -> Reference:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        values = [self.evaluate(self.suggest(study.ask())) for _ in range(_N_REFERENCE)]
        finite = sorted(filter(math.isfinite, values))
        return Reference(self._world.surrogate.best_ms, finite[len(finite) // 2], finite[-1])

    def evaluate(self, params: Mapping[str, Any]) -> float:
        return self._world.latency(params)
