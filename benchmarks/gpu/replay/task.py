"""Tasks that are tuned in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.gpu.replay.engine import VirtualEngine
from optuna_lfbo.helion._task import Configuration, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    import optuna

    from benchmarks.gpu.replay.engine import VirtualProcesses
    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._outcome import Outcome


class VirtualTask(Task):
    """To be put before a task's own class: asking takes virtual time, and so does the engine.

    Attributes:
        processes: what compiles and measures.
    """

    processes: VirtualProcesses

    def proposed(self, trial: optuna.Trial, worker: str) -> Configuration | Outcome:
        costs = self.processes.costs
        is_queued = "origin" in trial.user_attrs
        self.processes.clock.sleep(costs.queued_s if is_queued else costs.ask_s)
        return super().proposed(trial, worker)

    def code(self, configuration: Mapping[str, object]) -> None:
        """Nothing runs."""

    def engine(self, n_compilers: int | None = None) -> Measurer:
        self.processes.clock.sleep(self.processes.costs.start_s)
        return VirtualEngine(self.processes)
