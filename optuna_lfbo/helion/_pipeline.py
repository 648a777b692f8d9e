"""A stream of trials through the compiling processes and the measuring one."""

from __future__ import annotations

import contextlib
import math
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.trial import TrialState

from optuna_lfbo.helion._outcome import Outcome
from optuna_lfbo.helion._study import best_latency, repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._progress import Progress
    from optuna_lfbo.helion._stop import StopRule
    from optuna_lfbo.helion._task import Configuration, Task

_WAITING_SHARE = 0.5
"""Trials in flight beyond those that compile, as a share of them."""
_POLL_S = 0.5

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


@dataclass(frozen=True)
class _Flight:
    """A configuration on its way, and the trials that wait for its outcome."""

    configuration: Configuration
    trials: list[optuna.Trial]


class Pipeline:
    """Runs the trials of a study, many at a time.

    Trials are asked for and told in the calling thread, so that the sampler and the storage
    see one caller; a thread for each configuration in flight waits for its processes.

    Args:
        task: What is tuned.
        engine: Measures.
        study: Holds the trials.
        stop: When to stop.
        told: Called with each trial that has ended.

    Attributes:
        asking_s: Seconds that the sampler and the storage have taken for new trials.
    """

    def __init__(
        self,
        task: Task,
        engine: Measurer,
        study: optuna.Study,
        stop: StopRule,
        told: Callable[[FrozenTrial], None] = lambda trial: None,
    ) -> None:
        self._task = task
        self._engine = engine
        self._study = study
        self._stop = stop
        self._told = told
        self._capacity = engine.n_compilers + max(2, int(_WAITING_SHARE * engine.n_compilers))
        self._in_flight: dict[Future[Outcome], _Flight] = {}
        self._running: dict[int, optuna.Trial] = {}
        self._best_ms = best_latency(study)
        self.asking_s = 0.0

    def run(self, progress: Progress) -> str:
        """Run trials until the stop rule ends them.

        Returns:
            The reason; "interrupted" after a KeyboardInterrupt.

        Raises:
            UnusableDeviceError: Nothing can be measured any more.
        """
        executor = ThreadPoolExecutor(self._capacity, thread_name_prefix="lfbo")
        with _stoppable(self._study):
            try:
                return self._stream(executor, progress)
            except KeyboardInterrupt:
                _logger.warning("Interrupted; what was measured is kept.")
                return "interrupted"
            finally:
                executor.shutdown(wait=False, cancel_futures=True)
                self._abandon()

    def _stream(self, executor: ThreadPoolExecutor, progress: Progress) -> str:
        while True:
            if self._study._stop_flag:
                self._stop.end("the sampler stopped the study")
            reason = self._stop.reason
            if reason is None and len(self._in_flight) < self._capacity:
                self._start_one(executor)
                self._finish(progress, wait_s=0.0)
            elif self._in_flight and not self._stop.is_overdue:
                self._finish(progress, wait_s=_POLL_S)
            elif reason is not None:
                return reason

    def _start_one(self, executor: ThreadPoolExecutor) -> None:
        started = time.perf_counter()
        trial = self._study.ask()
        self._running[trial.number] = trial
        begun = self._task.begin(trial)
        self.asking_s += time.perf_counter() - started
        if isinstance(begun, Outcome):
            self._stop.skip()
            self._tell(trial, None, begun)
            return
        for flight in self._in_flight.values():
            if flight.configuration == begun:
                self._stop.skip()
                flight.trials.append(trial)
                return
        self._stop.start()
        future = executor.submit(self._engine.measure, begun, lambda: self._best_ms)
        self._in_flight[future] = _Flight(begun, [trial])

    def _finish(self, progress: Progress, wait_s: float) -> None:
        done, _ = wait(self._in_flight, timeout=wait_s, return_when=FIRST_COMPLETED)
        for future in done:
            outcome = future.result()
            flight = self._in_flight.pop(future)
            first, *others = flight.trials
            self._tell(first, flight.configuration, outcome)
            for trial in others:
                self._tell(trial, None, repeated(first.number, outcome))
            self._stop.finish(outcome.latency_ms)
            if outcome.latency_ms is not None and not outcome.first_look:
                self._best_ms = min(self._best_ms or math.inf, outcome.latency_ms)
            progress.count(outcome, self._best_ms)
        progress.refresh()

    def _tell(
        self, trial: optuna.Trial, configuration: Configuration | None, outcome: Outcome
    ) -> None:
        self._task.conclude(trial, configuration, outcome)
        if outcome.latency_ms is None:
            told = self._study.tell(trial, state=TrialState.FAIL)
        else:
            told = self._study.tell(trial, outcome.latency_ms)
        del self._running[trial.number]
        self._told(told)

    def _abandon(self) -> None:
        """Fail the trials that are not told, without a status: their turn may come again."""
        for trial in self._running.values():
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                trial.set_user_attr("error", "tuning ended before it was measured")
            self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        self._running.clear()


@contextlib.contextmanager
def _stoppable(study: optuna.Study) -> Iterator[None]:
    """Let samplers of finite spaces stop the study, as they may inside ``study.optimize``."""
    study._stop_flag = False
    study._thread_local.in_optimize_loop = True
    try:
        yield
    finally:
        study._thread_local.in_optimize_loop = False
