"""The configurations that a study has outcomes for, and those that are on their way."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final, cast

from optuna.trial import TrialState

from optuna_lfbo._winner import is_positive
from optuna_lfbo.helion._outcome import FAILED_STATUSES, Outcome, key_of, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._outcome import FailedStatus
    from optuna_lfbo.helion._task import Configuration

RANDOM: Final = "random"
"""Origin of what was drawn at random, before the sampler's."""
SHAPE: Final = "shape"
"""Origin of the best with tiles of another shape, and of what is a step from that."""
DETOUR: Final = "detour"
"""Origin of two steps from the best, the first of which changes how memory is accessed."""

_HARDLY_SLOWER = 1.02
"""Times the best, as the next two are. Settings that matter little make no larger difference."""
_AS_FAST = 1.05
"""A wider bound, as what has not been tuned yet may have more in it."""
_BAD = 1.1


class Ledger:
    """What the trials of a study say of configurations.

    Reads each finished trial once. Not safe for threads by itself.

    Args:
        since: Number of the first trial that counts as a new one; of those below it, only
            what was not finished or running at the first reading does.

    Attributes:
        running: Trials that run now.
    """

    def __init__(self, since: int = 0) -> None:
        self._since = since
        self._n_seen = 0
        self._unfinished: list[int] = []
        self._known: dict[str, tuple[int, Outcome]] = {}
        self._new: list[tuple[Outcome, bool]] = []
        self._n_told = 0
        self._claims: dict[str, int] = {}
        self._queue: dict[int, str] = {}
        self._old: set[int] | None = None
        self._best: tuple[float, Configuration] | None = None
        self.running: list[FrozenTrial] = []

    def read(self, trials: Sequence[FrozenTrial]) -> None:
        """Enter what has changed in all trials of the study."""
        numbers = [*self._unfinished, *range(self._n_seen, len(trials))]
        self._n_seen = len(trials)
        self._unfinished = [i for i in numbers if not trials[i].state.is_finished()]
        self.running = [
            trials[i] for i in self._unfinished if trials[i].state == TrialState.RUNNING
        ]
        if self._old is None:
            waiting = {i for i in self._unfinished if trials[i].state == TrialState.WAITING}
            self._old = {i for i in numbers if i < self._since} - waiting
        for trial in (trials[i] for i in numbers if trials[i].state.is_finished()):
            self._enter(trial)
        self._claims = {}
        for trial in reversed(self.running):
            if isinstance(config := trial.user_attrs.get("config"), dict):
                self._claims[key_of(config)] = trial.number
        queue = (trials[i] for i in self._unfinished if trials[i].state == TrialState.WAITING)
        self._queue = {trial.number: self._queued(trial) for trial in queue}

    def outcome(self, config: Mapping[str, object]) -> Outcome | None:
        """Return the outcome to repeat for ``config``, or None if it is a new one."""
        if (entry := self._known.get(key_of(config))) is None:
            return None
        return repeated(*entry)

    @property
    def best(self) -> Configuration | None:
        """The fastest of the configurations that were measured to the end, if there is one."""
        return None if self._best is None else self._best[1]

    @property
    def best_ms(self) -> float | None:
        """Its latency in milliseconds."""
        return None if self._best is None else self._best[0]

    def leaders(self) -> list[Configuration]:
        """Return what was measured to be hardly slower than the best, the fastest first."""
        bound_ms = _HARDLY_SLOWER * (self.best_ms or 0.0)
        leaders = [
            (outcome.latency_ms, key)
            for key, (_, outcome) in self._known.items()
            if (outcome.latency_ms or math.inf) <= bound_ms and not outcome.first_look
        ]
        return [json.loads(key) for _, key in sorted(leaders)]

    def rival(self, configs: Iterable[Configuration]) -> Configuration | None:
        """Return the fastest of ``configs``, or None unless it is about as fast as the best."""
        return min(filter(self.is_as_fast, configs), key=self._share, default=None)

    def is_as_fast(self, config: Mapping[str, object]) -> bool:
        """Whether ``config`` was measured to be about as fast as the best."""
        return self._share(config) < _AS_FAST

    def is_bad(self, config: Mapping[str, object]) -> bool:
        """Whether ``config`` has failed, or is clearly slower than the best."""
        return self.outcome(config) is not None and self._share(config) > _BAD

    def _share(self, config: Mapping[str, object]) -> float:
        """Its latency as a multiple of the best, infinite where there is none."""
        outcome = self.outcome(config)
        if outcome is None or outcome.latency_ms is None or self.best_ms is None:
            return math.inf
        return outcome.latency_ms / self.best_ms

    def claimant(self, config: Mapping[str, object]) -> int | None:
        """Return the number of the trial that measures ``config``, or will: the first of those.

        A trial in the queue counts: whoever takes it from there may know of no later one.
        """
        key = key_of(config)
        numbers = [number for number, queued in self._queue.items() if queued == key]
        if (running := self._claims.get(key)) is not None:
            numbers.append(running)
        return min(numbers, default=None)

    def is_queued(self, config: Mapping[str, object]) -> bool:
        """Whether that trial has still to be taken from the queue."""
        return self.claimant(config) in self._queue

    def add(
        self, number: int, config: Configuration, outcome: Outcome, *, is_free: bool = False
    ) -> None:
        """Enter the outcome of a trial that the storage does not have as finished yet."""
        key = key_of(config)
        if key not in self._known:
            self._known[key] = (number, outcome)
            latency_ms = math.inf if outcome.latency_ms is None else outcome.latency_ms
            # What is only as fast may be a copy, with the same neighbours.
            if latency_ms < (self.best_ms or math.inf) and not outcome.first_look:
                self._best = latency_ms, config
            if number not in (self._old or ()):
                self._new.append((outcome, is_free))

    @property
    def n_new(self) -> int:
        """New configurations that have an outcome."""
        return len(self._new)

    def new_outcomes(self) -> list[tuple[Outcome, bool]]:
        """Return each of their outcomes once, in the order in which they became known.

        Returns:
            Each with whether its trial costs no patience.
        """
        new, self._n_told = self._new[self._n_told :], len(self._new)
        return new

    def n_claimed(self, before: float = math.inf) -> int:
        """New configurations on their way; only those that trials below ``before`` have."""
        return sum(
            number < before and key not in self._known and number not in (self._old or ())
            for key, number in self._claims.items()
        )

    def _queued(self, trial: FrozenTrial) -> str:
        """The key of the configuration of a trial in the queue, which stays as it is there."""
        known = self._queue.get(trial.number)
        return key_of(trial.user_attrs.get("config")) if known is None else known

    def _enter(self, trial: FrozenTrial) -> None:
        # Another process wrote these attributes, perhaps another program.
        config, status = trial.user_attrs.get("config"), trial.user_attrs.get("status")
        if not (isinstance(config, dict) and has_outcome(trial)):
            return
        if trial.state == TrialState.FAIL:
            error = trial.user_attrs.get("error")
            reason = None if error is None else one_line(str(error))
            outcome = Outcome(cast("FailedStatus", status), error=reason)
        else:
            first_look = bool(trial.user_attrs.get("first_look"))
            outcome = Outcome("ok", trial.value, first_look=first_look)
        self.add(trial.number, config, outcome, is_free=is_free(trial))


def is_free(trial: FrozenTrial) -> bool:
    """Whether a trial costs no patience: it says nothing of what the sampler is going to find."""
    return trial.user_attrs.get("origin") in (RANDOM, SHAPE, DETOUR)


def has_outcome(trial: FrozenTrial) -> bool:
    """Whether a trial has ended and says how its configuration did."""
    status = trial.user_attrs.get("status")
    if trial.state == TrialState.FAIL:
        return status in FAILED_STATUSES
    is_complete = trial.state == TrialState.COMPLETE
    return is_complete and status in ("ok", "duplicate") and is_positive(trial.value)


def repeated(number: int, outcome: Outcome) -> Outcome:
    """The outcome of a trial with the same configuration as trial ``number``."""
    if outcome.latency_ms is None:
        return Outcome(outcome.status, error=outcome.error)
    return Outcome(
        "duplicate",
        outcome.latency_ms,
        error=f"the same configuration as trial {number}",
        first_look=outcome.first_look,
        latencies_ms=outcome.latencies_ms,
    )
