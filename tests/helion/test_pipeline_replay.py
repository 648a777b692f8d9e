"""The pipeline in virtual time, on a machine whose timings are a table."""

from __future__ import annotations

import time
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from benchmarks.gpu.replay.clock import Seats, VirtualClock, VirtualFuture
from benchmarks.gpu.replay.crew import Generations, VirtualCrew
from benchmarks.gpu.replay.engine import VirtualProcesses
from benchmarks.gpu.replay.machine import Answer, Costs
from benchmarks.gpu.replay.task import VirtualTask
from optuna_lfbo import LFBOSampler
from optuna_lfbo.helion._identity import Identity
from optuna_lfbo.helion._outcome import key_of
from optuna_lfbo.helion._stop import StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion._task import Task
from optuna_lfbo.helion.tuner import conduct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import optuna

    from optuna_lfbo.helion._crew import Crew

SPACE = {
    "log2_block": IntDistribution(0, 9),
    "log2_warps": IntDistribution(0, 4),
    "stages": IntDistribution(1, 4),
    "order": CategoricalDistribution(["rows", "columns"]),
}
COSTS = Costs(start_s=5.0)


def answer(block: int, warps: int, stages: int, order: str) -> Answer:
    """A kernel that is fast for blocks of 2**6 and 4 warps, and has every fault somewhere."""
    latency = 0.2 * 1.25 ** abs(block - 6) * 1.1 ** abs(warps - 2) * (1.0 + 0.01 * stages)
    latency *= 1.5 if order == "columns" else 1.0
    compile_s = 0.4 + 0.1 * stages + 0.05 * block
    # Without a loop to speak of, stages make no difference to the code.
    source = f"{block}/{warps}/{stages if block > 2 else 0}/{order}"
    if block == 9 and warps == 4:
        return Answer(source, compile_s, latency, "out_of_resources")
    if block == 8 and warps == 0:
        return Answer(source, compile_s, latency, "crash")
    if block == 9 and warps == 0:
        return Answer(source, compile_s, latency, "compile_timeout")
    if block == 0 and warps == 4:
        return Answer(source, compile_s, latency, "compile_error")
    if block == 7 and stages == 4:
        return Answer(source, compile_s, 0.5 * latency, "wrong_result")
    if block == 5 and warps == 4 and stages == 4:
        return Answer(source, compile_s, latency, "benchmark_timeout")
    return Answer(source, compile_s, latency)


TABLE = {
    point: answer(*point) for point in product(range(10), range(5), range(1, 5), SPACE["order"].choices)
}
DEFAULT = {"log2_block": 5, "log2_warps": 2, "stages": 1, "order": "columns"}


class TableTask(VirtualTask, Task):
    def __init__(self, processes: VirtualProcesses) -> None:
        self.processes = processes
        identity = Identity("python", "table", "0", [], "a table", {})
        super().__init__(identity, SPACE, [DEFAULT], DEFAULT)

    def configuration(self, params: Mapping[str, Any]) -> Mapping[str, object]:
        return params

    def params(self, configuration: Mapping[str, object]) -> dict[str, Any]:
        return dict(configuration)

    def config(self, configuration: Mapping[str, Any]) -> Any:
        return configuration

    def sampler(self, seed: int | None = None) -> LFBOSampler:
        return LFBOSampler(seed=seed)
