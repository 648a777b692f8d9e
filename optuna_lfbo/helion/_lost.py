"""Trials that nobody works on any more."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from optuna_lfbo.helion._outcome import FAILED_STATUSES, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._members import Members
    from optuna_lfbo.helion._task import Task
    from optuna_lfbo.helion._tuning_storage import TuningStorage

_LOOK_S: Final = 2.0
"""Seconds between two looks for them."""
_ATTEMPTS: Final = 3
"""A configuration that has been lost so often with its worker is not tried again."""

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


class LostTrials:
    """Fails the trials whose worker is dead; their configurations get another turn.

    Args:
        task: What is tuned.
        study: Holds the trials.
        storage: Its storage, which knows the trials of this worker.
        members: The workers of the study.
    """

    def __init__(
        self, task: Task, study: optuna.Study, storage: TuningStorage, members: Members
    ) -> None:
        self._task = task
        self._study = study
        self._storage = storage
        self._members = members
        self._looked_at = -math.inf

    def bury(self, running: Sequence[FrozenTrial]) -> None:
        """Look for lost ones among the trials that run, if it is not just done, and fail them."""
        if time.monotonic() - self._looked_at <= _LOOK_S:
            return
        lost = [*self._members.lost(running), *filter(self._is_ghost, running)]
        numbers = {trial.number for trial in lost}
        # One that waits for the outcome of a lost trial takes its place.
        taken = [t.user_attrs.get("config") for t in running if t.number not in numbers]
        for trial in lost:
            buried = self._buried(trial)
            if buried is not None and buried.user_attrs.get("config") not in taken:
                self._try_again(buried)
        self._looked_at = time.monotonic()

    def _is_ghost(self, trial: FrozenTrial) -> bool:
        """Whether it was made twice, as the storage did so but could not answer any more."""
        is_named = trial.user_attrs.get("worker") == self._members.name
        return is_named and not self._storage.is_own(trial)

    def _buried(self, trial: FrozenTrial) -> FrozenTrial | None:
        """Fail a trial; return it if its configuration has no outcome by that."""
        worker = one_line(str(trial.user_attrs.get("worker", "unknown")))
        now = self._storage.get_trial(trial._trial_id)
        if now.user_attrs.get("worker") != trial.user_attrs.get("worker"):
            return None  # It has been given a name just now.
        # One that died while it told of a failure has told enough.
        is_told = now.user_attrs.get("status") in FAILED_STATUSES
        try:
            if not is_told:
                self._storage.set_trial_user_attr(
                    trial._trial_id, "error", f"its worker was lost: {worker}"
                )
            self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:  # Somebody else has done it, or it is alive after all.
            return None
        _logger.warning(f"Trial {trial.number} was lost with its worker {worker}.")
        return None if is_told else now

    def _try_again(self, trial: FrozenTrial) -> None:
        attempt = trial.user_attrs.get("attempt", 1)
        configuration, origin = (trial.user_attrs.get(name) for name in ("config", "origin"))
        if isinstance(configuration, dict) and isinstance(attempt, int) and attempt < _ATTEMPTS:
            self._task.enqueue(self._study, [configuration], origin, attempt + 1)
