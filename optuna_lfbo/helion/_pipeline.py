"""A stream of trials through the compiling processes and the measuring one."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from optuna_lfbo.helion._crew import Threads
from optuna_lfbo.helion._interrupt import noted_interrupts
from optuna_lfbo.helion._ledger import Ledger, has_outcome, is_free
from optuna_lfbo.helion._lost import LostTrials
from optuna_lfbo.helion._outcome import Outcome
from optuna_lfbo.helion._stop import INTERRUPTED
from optuna_lfbo.helion._tuning_storage import tuning_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._crew import Crew
    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._members import Members
    from optuna_lfbo.helion._progress import Progress
    from optuna_lfbo.helion._starts import Starts
    from optuna_lfbo.helion._stop import StopRule
    from optuna_lfbo.helion._task import Configuration, Task

_WAITING_SHARE = 0.5
"""Trials in flight beyond those that compile, as a share of them."""
_POLL_S = 0.5
_ABANDONED = "tuning ended before it was measured"
_MOST_ASKS = 4

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


@dataclass(frozen=True)
class _Flight:
    """A trial on its way with its configuration, or one that waits for another trial's outcome."""

    trial: optuna.Trial
    configuration: Configuration


class Pipeline:
    """Runs the trials of a study, many at a time.

    Trials are asked for and told in the calling thread, so that the sampler and the storage
    see one caller; a crew waits for the processes, by default a thread for each configuration
    in flight.

    A trial becomes visible to other workers with its configuration. Of those that have the
    same one the first, by its number, measures it; the others wait for what comes of it.

    Args:
        task: What is tuned.
        engine: Measures.
        study: Holds the trials.
        members: The workers of the study.
        stop: When to stop.
        starts: Random configurations that come before the sampler's.
        told: Called with each trial that has ended.
        crew: Waits for the engine's processes; threads by default.

    Attributes:
        asking_s: Seconds that the sampler and the storage have taken for new trials, by the
            stop rule's clock.
    """

    def __init__(
        self,
        task: Task,
        engine: Measurer,
        study: optuna.Study,
        members: Members,
        stop: StopRule,
        starts: Starts,
        told: Callable[[FrozenTrial], None] = lambda trial: None,
        crew: Crew | None = None,
    ) -> None:
        self._task = task
        self._engine = engine
        self._study, self._storage = tuning_study(study)
        self._members = members
        self._stop = stop
        self._starts = starts
        self._told = told
        self._ledger = Ledger(members.me.since)
        self._lost = LostTrials(task, self._study, self._storage, members)
        self._capacity = engine.n_compilers + max(2, int(_WAITING_SHARE * engine.n_compilers))
        self._crew: Crew = crew or Threads(self._capacity)
        self._in_flight: dict[Future[Outcome], _Flight] = {}
        self._followers: list[_Flight] = []
        self.asking_s = 0.0

    def run(self, progress: Progress) -> str:
        """Run trials until the stop rule ends them.

        Returns:
            The reason; `INTERRUPTED` after a KeyboardInterrupt.

        Raises:
            UnusableDeviceError: Nothing can be measured any more.
            DiskFullError: There is no room for what compilers write.
        """
        with _stoppable(self._study), noted_interrupts() as raise_noted:
            try:
                return self._stream(progress, raise_noted)
            except KeyboardInterrupt:
                return INTERRUPTED
            finally:
                self._crew.close()
                self._abandon()

    def _stream(self, progress: Progress, raise_noted: Callable[[], None]) -> str:
        self._observe(self._storage.refresh())
        while True:
            raise_noted()
            if self._study._stop_flag:
                self._stop.end("the sampler stopped the study")
            reason = self._stop.reason
            if reason is not None and self._members.me.stage == "running":
                self._members.enter("ending")
            if reason is None and len(self._in_flight) < self._capacity:
                self._start_one()
                self._finish(progress, wait_s=0.0)
            elif self._is_waiting and not self._stop.is_overdue:
                self._finish(progress, wait_s=_POLL_S)
            elif reason is not None:
                return reason
            self._settle_followers()

    @property
    def _is_waiting(self) -> bool:
        return bool(self._in_flight or self._followers)

    def _start_one(self) -> None:
        started = self._stop.clock()
        try:
            trial, proposal = self._asked()
            trial.set_user_attr("ask_s", round(self._stop.clock() - started, 4))
        except UpdateFinishedTrialError:  # Somebody has taken it for lost before it had a name.
            return
        known = proposal if isinstance(proposal, Outcome) else self._ledger.outcome(proposal)
        if known is not None:
            self._stop.skip()
            self._tell(trial, None, known)
        elif not isinstance(proposal, Outcome):
            self._claim(_Flight(trial, proposal))
        self.asking_s += self._stop.clock() - started

    def _asked(self) -> tuple[optuna.Trial, Configuration | Outcome]:
        """A new trial, and its configuration or the outcome of one that is not worth compiling.

        Asking takes a while, and workers that ask at the same time think alike. What another
        one has taken meanwhile is forgotten; what comes after it is known by then.
        """
        self._observe(self._storage.refresh())
        for n_asks in itertools.count(1):
            trial = self._new_trial()
            proposal = self._task.proposed(trial, self._members.name)
            is_draft = self._storage.is_draft(trial)
            if isinstance(proposal, Outcome) or not (is_draft and self._members.has_company):
                break
            self._observe(self._storage.refresh())
            if n_asks == _MOST_ASKS or self._ledger.claimant(proposal) is None:
                break
            self._storage.forget(trial)
        return trial, proposal

    def _new_trial(self) -> optuna.Trial:
        """A trial from the queue, or with a start, or one for the sampler."""
        self._starts.extend(self._ledger, self._stop)
        start = self._starts.next(self._ledger, has_company=self._members.has_company)
        self._storage.planned = start
        trial = self._study.ask()
        if start is not None and not self._storage.is_draft(trial):
            self._starts.put_back(start)
        return trial

    def _claim(self, flight: _Flight) -> None:
        """Measure a configuration, if that is for this trial to do."""
        trial = flight.trial
        was_draft = self._storage.is_draft(trial)
        trials = self._storage.publish(trial)
        self._observe(trials)
        if not was_draft and not self._is_ours(trials[trial.number]):
            self._storage.drop(trial)
            return
        # Drafts have been published in the order of their numbers.
        limit = trial.number + 1 if was_draft else math.inf
        n_started = self._ledger.n_new + self._ledger.n_claimed(before=limit)
        if self._stop.n_trials is not None and n_started > self._stop.n_trials:
            # Others were faster. Its turn comes when the study is tuned again.
            self._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        elif self._is_first(flight):
            self._start(flight)
        else:
            self._stop.skip()
            self._followers.append(flight)

    def _is_ours(self, trial: FrozenTrial) -> bool:
        """Whether a trial from the queue is for this worker, and nobody has taken it for lost."""
        # SQLite lets two workers take a trial from the queue. The last one to say so has it.
        is_named = trial.user_attrs.get("worker") == self._members.name
        return is_named and trial.state == TrialState.RUNNING

    def _is_first(self, flight: _Flight) -> bool:
        """Whether nobody else measures or has measured its configuration."""
        first = self._ledger.claimant(flight.configuration)
        is_new = self._ledger.outcome(flight.configuration) is None
        return is_new and (first is None or first >= flight.trial.number)

    def _start(self, flight: _Flight) -> None:
        self._stop.start()
        measure = functools.partial(
            self._engine.measure, flight.configuration, lambda: self._ledger.best_ms
        )
        self._in_flight[self._crew.submit(measure)] = flight

    def _settle_followers(self) -> None:
        """Give those that wait for another trial its outcome, or its place."""
        if not self._followers:
            return
        self._observe(self._storage.refresh())
        waiting, self._followers = self._followers, []
        for flight in waiting:
            if (outcome := self._ledger.outcome(flight.configuration)) is not None:
                self._tell(flight.trial, None, outcome)
            elif self._is_first(flight):
                self._start(flight)
            elif self._stop.reason is not None and self._ledger.is_queued(flight.configuration):
                # Nobody may come to take what it waits for.
                self._storage.set_trial_state_values(flight.trial._trial_id, TrialState.WAITING)
            else:
                self._followers.append(flight)

    def _observe(self, trials: Sequence[FrozenTrial]) -> None:
        """Take note of what all workers have done."""
        self._ledger.read(trials)
        self._count()
        self._lost.bury(self._ledger.running)

    def _count(self) -> None:
        """Bring what depends on the outcomes of all workers up to date."""
        for outcome, was_free in self._ledger.new_outcomes():
            self._stop.finish(outcome.latency_ms, is_free=was_free)
        self._stop.n_started = self._ledger.n_new + self._ledger.n_claimed()

    def _finish(self, progress: Progress, wait_s: float) -> None:
        for future in self._crew.wait(self._in_flight, wait_s):
            outcome = future.result()
            flight = self._in_flight.pop(future)
            self._tell(flight.trial, flight.configuration, outcome)
            self._count()
            progress.count(outcome, self._ledger.best_ms)
        progress.refresh()

    def _tell(
        self, trial: optuna.Trial, configuration: Configuration | None, outcome: Outcome
    ) -> None:
        state = TrialState.FAIL if outcome.latency_ms is None else TrialState.COMPLETE
        told: FrozenTrial | None
        try:
            self._task.conclude(trial, configuration, outcome)
            told = self._study.tell(trial, outcome.latency_ms, state)
        except UpdateFinishedTrialError:
            told = self._tell_again(trial, state, outcome)
            if told is None:
                return
        if configuration is not None:
            self._ledger.add(told.number, configuration, outcome, is_free=is_free(told))
        _logger.debug(f"Trial {told.number}: {outcome}")
        self._told(told)

    def _tell_again(
        self, trial: optuna.Trial, state: TrialState, outcome: Outcome
    ) -> FrozenTrial | None:
        """Keep the outcome of a trial that another worker has taken for lost.

        None if it was another worker that has told an outcome of it.
        """
        known = self._storage.drop(trial)
        if has_outcome(known):
            _logger.warning(f"Trial {trial.number} has been measured by two workers.")
            return None
        _logger.warning(f"Trial {trial.number} was taken for lost; another one has its outcome.")
        again = optuna.trial.create_trial(
            state=state,
            value=outcome.latency_ms,
            params=known.params,
            distributions=known.distributions,
            user_attrs={**known.user_attrs, **outcome.attributes()},
        )
        self._study.add_trial(again)
        return again

    def _abandon(self) -> None:
        """Fail the trials that are not told, without a status: their turn may come again."""
        for trial in self._storage.own_running():
            with contextlib.suppress(UpdateFinishedTrialError):
                self._storage.set_trial_user_attr(trial._trial_id, "error", _ABANDONED)
                self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


@contextlib.contextmanager
def _stoppable(study: optuna.Study) -> Iterator[None]:
    """Let samplers of finite spaces stop the study, as they may inside ``study.optimize``."""
    study._stop_flag = False
    study._thread_local.in_optimize_loop = True
    try:
        yield
    finally:
        study._thread_local.in_optimize_loop = False
