"""A study's storage as the pipeline uses it: a few transactions a trial, and patience."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from optuna_lfbo.helion._interrupt import postponed
from optuna_lfbo.helion._patience import patiently
from optuna_lfbo.helion._storage import exclusively

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from optuna.distributions import BaseDistribution
    from optuna.study import StudyDirection
    from optuna.study._frozen import FrozenStudy

    from optuna_lfbo.helion._starts import Start


class TuningStorage(BaseStorage):
    """Passes on to another storage, which it waits for when that is out of reach.

    A new trial is a draft: it is known only here, with all that is set in it, until it is
    published or finished, which takes one transaction. All trials are read once an ask, by
    `refresh`. The trials that this storage has made are known without being read, as nobody
    else may change them. For one study and one thread.

    Args:
        study: Whose storage it is.

    Attributes:
        planned: What the next draft is to be; None to leave it to the sampler.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.backend = study._storage
        self._study_id = study._study_id
        self._drafts: dict[int, FrozenTrial] = {}
        self._own: dict[int, FrozenTrial] = {}
        self._snapshot: list[FrozenTrial] | None = None
        self._n_drafts = 0
        self.planned: Start | None = None

    def refresh(self) -> list[FrozenTrial]:
        """Read the trials for the next ask, and return them."""
        self._own = {i: trial for i, trial in self._own.items() if not trial.state.is_finished()}
        self._snapshot = self._read()
        return self._snapshot

    @postponed()
    def publish(self, trial: optuna.Trial) -> list[FrozenTrial]:
        """Show a running trial to other processes; return all trials as they are then."""
        draft = self._drafts.pop(trial._trial_id, None)
        if draft is not None:
            trial._trial_id = draft._trial_id = self._created(draft)
            trial._cached_frozen_trial = self._own[trial._trial_id] = draft
        self._snapshot = None
        trials = self._read()
        if draft is not None:
            same = (other for other in reversed(trials) if other._trial_id == draft._trial_id)
            draft.number = next(same).number
        return trials

    def is_draft(self, trial: optuna.Trial) -> bool:
        """Whether nobody else knows of ``trial``."""
        return trial._trial_id in self._drafts

    def forget(self, trial: optuna.Trial) -> None:
        """Drop a draft."""
        del self._drafts[trial._trial_id]

    def drop(self, trial: optuna.Trial) -> FrozenTrial:
        """Leave a trial to others; return it as they have it."""
        self._own.pop(trial._trial_id, None)
        self._snapshot = None
        return patiently(self.backend.get_trial, trial._trial_id)

    def own_running(self) -> list[FrozenTrial]:
        """Return the trials that others see running, and that only this process may end."""
        return [trial for trial in self._own.values() if trial.state == TrialState.RUNNING]

    def is_own(self, trial: FrozenTrial) -> bool:
        """Whether ``trial`` is one of them."""
        return trial._trial_id in self._own

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial; without a template, a draft of one."""
        if template_trial is not None:
            return self._created(template_trial)
        self._n_drafts += 1
        start, self.planned = self.planned, None
        self._drafts[-self._n_drafts] = FrozenTrial(
            number=len(self._trials()),
            trial_id=-self._n_drafts,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.now(),
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={"config": start.configuration, "origin": start.origin} if start else {},
            system_attrs={"fixed_params": dict(start.params)} if start else {},
            intermediate_values={},
        )
        return -self._n_drafts

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial."""
        return self._local(trial_id) or patiently(self.backend.get_trial, trial_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return all trials, as they were read for this ask, and drafts."""
        trials = [*self._trials(), *self._drafts.values()]
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Set a parameter."""
        if (local := self._local(trial_id)) is not None:
            value = distribution.to_external_repr(param_value_internal)
            local.params = {**local.params, param_name: value}
            local.distributions = {**local.distributions, param_name: distribution}
        if trial_id not in self._drafts:
            set_param = self.backend.set_trial_param
            patiently(set_param, trial_id, param_name, param_value_internal, distribution)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a user attribute."""
        if (local := self._local(trial_id)) is not None:
            local.user_attrs = {**local.user_attrs, key: value}
        if trial_id not in self._drafts:
            patiently(self.backend.set_trial_user_attr, trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a system attribute."""
        if (local := self._local(trial_id)) is not None:
            local.system_attrs = {**local.system_attrs, key: value}
        if trial_id not in self._drafts:
            patiently(self.backend.set_trial_system_attr, trial_id, key, value)

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Set an intermediate value, which trials of latencies have none of."""
        raise NotImplementedError

    @postponed()
    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set the state of a trial; finish a draft."""
        if (draft := self._drafts.pop(trial_id, None)) is not None:
            _enter(draft, state, values)
            created = patiently(self.backend.get_trial, self._created(draft))
            draft.number = created.number
            self._own[trial_id] = draft
            return True
        if not self._has_set_state(trial_id, state, values):
            return False
        self._snapshot = None
        if state == TrialState.RUNNING:
            self._adopt(trial_id)
        elif (own := self._own.get(trial_id)) is not None:
            _enter(own, state, values)
        return True

    def _has_set_state(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None
    ) -> bool:
        try:
            with exclusively():
                return patiently(self.backend.set_trial_state_values, trial_id, state, values)
        except UpdateFinishedTrialError:
            # Perhaps it was this very call whose answer was lost with the connection.
            if patiently(self.backend.get_trial, trial_id).state != state:
                raise
            return True

    def _adopt(self, trial_id: int) -> None:
        """Know a trial that had been enqueued."""
        own = copy.deepcopy(patiently(self.backend.get_trial, trial_id))
        own.state, own.datetime_start = TrialState.RUNNING, datetime.now()
        self._own[trial_id] = own

    def _local(self, trial_id: int) -> FrozenTrial | None:
        return self._drafts.get(trial_id) or self._own.get(trial_id)

    def _created(self, trial: FrozenTrial) -> int:
        self._snapshot = None
        return patiently(self.backend.create_new_trial, self._study_id, trial)

    def _trials(self) -> list[FrozenTrial]:
        return self._read() if self._snapshot is None else self._snapshot

    def _read(self) -> list[FrozenTrial]:
        return patiently(self.backend.get_all_trials, self._study_id, deepcopy=False)

    # What follows is passed on as it is.

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Create a study."""
        return patiently(self.backend.create_new_study, directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """Delete a study."""
        patiently(self.backend.delete_study, study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a user attribute of a study."""
        patiently(self.backend.set_study_user_attr, study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a system attribute of a study."""
        patiently(self.backend.set_study_system_attr, study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the ID of a study."""
        return patiently(self.backend.get_study_id_from_name, study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return the name of a study."""
        return patiently(self.backend.get_study_name_from_id, study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return the directions of a study."""
        return patiently(self.backend.get_study_directions, study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the user attributes of a study."""
        return patiently(self.backend.get_study_user_attrs, study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the system attributes of a study."""
        return patiently(self.backend.get_study_system_attrs, study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return all studies."""
        return patiently(self.backend.get_all_studies)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Return the ID of a trial."""
        get_id = self.backend.get_trial_id_from_study_id_trial_number
        return patiently(get_id, study_id, trial_number)


def tuning_study(study: optuna.Study) -> tuple[optuna.Study, TuningStorage]:
    """Return the same study for the pipeline, with its storage."""
    storage = TuningStorage(study)
    ours = optuna.load_study(
        study_name=study.study_name, storage=storage, sampler=study.sampler, pruner=study.pruner
    )
    return ours, storage


def patient(study: optuna.Study) -> optuna.Study:
    """Return the same study, which waits for its storage when that is out of reach."""
    return tuning_study(study)[0]


def _enter(trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
    trial.state = state
    if values is not None:
        trial.values = list(values)
    if state.is_finished():
        trial.datetime_complete = datetime.now()
