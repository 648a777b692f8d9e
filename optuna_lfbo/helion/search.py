"""A search of Helion's own autotuner that is an Optuna study."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from optuna_lfbo._winner import winner_of
from optuna_lfbo.helion import _compat_search
from optuna_lfbo.helion._kernel_task import task_of_bound
from optuna_lfbo.helion._outcome import Outcome
from optuna_lfbo.helion._stop import INTERRUPTED, StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion.exceptions import TrialFailedError
from optuna_lfbo.helion.tuner import conduct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._compat import BoundKernel, Config
    from optuna_lfbo.helion._kernel_task import KernelTask

STORAGE_VARIABLE: Final = "OPTUNA_LFBO_STORAGE"
N_TRIALS_VARIABLE: Final = "OPTUNA_LFBO_N_TRIALS"

# By autotune_effort; with "none" Helion does not search.
_N_TRIALS: Final[Mapping[str, int]] = {"quick": 50, "full": 200}
_TRIALS_PER_LINE: Final = 20


def autotuner(
    *,
    sampler: BaseSampler | None = None,
    storage: str | BaseStorage | None = None,
    n_trials: int | None = None,
) -> Callable[..., Any]:
    """Return an ``autotuner_fn`` that tunes a kernel through Optuna studies.

    Example:
        ::

            @helion.kernel(autotuner_fn=optuna_lfbo.helion.autotuner(n_trials=100))
            def add(x, y): ...

    The first call of the kernel with arguments of a new kind then runs :class:`OptunaSearch`,
    behind Helion's cache of best configurations (``autotune_cache``). Options of
    ``kernel.autotune(args, **options)`` replace those given here.

    Args:
        sampler: Any Optuna sampler. An ``LFBOSampler`` with the kernel's
            ``autotune_random_seed`` by default.
        storage: A storage or its URL, where each kind of arguments has a study of its own. An
            interrupted search goes on there, and processes that tune the same kernel at once
            share the work. By default the environment's ``OPTUNA_LFBO_STORAGE``, else memory.
        n_trials: Configurations that a study is to measure. By default the environment's
            ``OPTUNA_LFBO_N_TRIALS``, else 50 with ``autotune_effort`` "quick" and 200 with
            "full".

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: ``n_trials`` is not positive.
    """
    _check(sampler, storage, n_trials)
    defaults: dict[str, Any] = {"sampler": sampler, "storage": storage, "n_trials": n_trials}

    # A plain function, as Helion makes deep copies of settings, but of functions it cannot.
    def autotuner_fn(bound_kernel: BoundKernel, args: Sequence[object], **options: Any) -> Any:
        def make_search() -> OptunaSearch:
            return OptunaSearch(bound_kernel, args, **(defaults | options))

        return _compat_search.cached(bound_kernel, make_search)

    return autotuner_fn


class OptunaSearch(_compat_search.HelionSearch):
    """A search of Helion's that leaves the choice of configurations to an Optuna study.

    It measures Helion's default, the compiler's seeds and ``autotune_seed_configs`` first. It
    ends as :func:`tune` does, when ``n_trials`` configurations have been measured, when there
    has been no improvement for long or nothing is left to try; and with the first trial to end
    after ``autotune_budget_seconds``. A study that has as many already answers at once. Helion
    constructs it, by :func:`autotuner` or ``HELION_AUTOTUNER=OptunaSearch``.

    A call of the kernel raises ``helion.exc.NoConfigFound`` when no configuration of the study
    works, and :class:`KernelError` when the kernel does not even run for the baseline.

    Args:
        kernel: The bound kernel.
        args: Its arguments.
        sampler: As in :func:`autotuner`.
        storage: As in :func:`autotuner`.
        n_trials: As in :func:`autotuner`.
    """

    def __init__(
        self,
        kernel: BoundKernel,
        args: Sequence[object],
        *,
        sampler: BaseSampler | None = None,
        storage: str | BaseStorage | None = None,
        n_trials: int | None = None,
    ) -> None:
        _check(sampler, storage, n_trials)
        super().__init__(kernel, args)
        self._sampler = sampler
        self._storage = storage or os.environ.get(STORAGE_VARIABLE) or None
        self._n_trials = n_trials or _n_trials_of(self.settings.autotune_effort)

    def _autotune(self) -> Config:
        task = task_of_bound(self.kernel, self.args)
        sampler = self._sampler or task.sampler(self.settings.autotune_random_seed)
        with _quiet_optuna(optuna.logging.WARNING):
            study = open_study(task.identity.study_name, self._storage, sampler)
        n_missing = self._n_trials - len(_measured(study))
        self.log(
            f"Study {study.study_name}: {self._n_trials - n_missing} of {self._n_trials} "
            "configurations are there"
        )
        if n_missing > 0:
            self._run(task, study, n_missing)
        return self._best(task, study)

    def _run(self, task: KernelTask, study: optuna.Study, n_trials: int) -> None:
        stop = StopRule(n_trials, timeout=None)

        def told(trial: FrozenTrial) -> None:
            self._tell(trial)
            # Not by a timeout, for one configuration has to be measured in any case.
            if stop.reason is not None:
                return
            if self.budget_exceeded():
                stop.end("autotune_budget_seconds")
            elif len(_measured(study)) >= self._n_trials:
                stop.end(f"{self._n_trials} trials with those of other processes")

        with _quiet_optuna(optuna.logging.ERROR):
            reason = conduct(task, study, stop, self.settings.autotune_random_seed, told=told)
        if reason == INTERRUPTED:
            raise KeyboardInterrupt
        self.log(f"Study {study.study_name} ends: {reason}")

    def _tell(self, trial: FrozenTrial) -> None:
        outcome = _outcome_of(trial)
        # A trial that was rejected may have got its configuration from anybody.
        is_known = outcome.status != "rejected"
        self.report(trial.user_attrs.get("config") if is_known else None, outcome)
        label, latency = f"Trial {trial.number}: {outcome.status}", outcome.latency_ms
        if latency is not None and latency < self.best_perf_so_far:
            self.best_perf_so_far = latency
            self.log(f"{label}, {latency:.4f} ms is the best so far")
        else:
            self.log.debug(f"{label}, {latency} ms" if latency else f"{label}, {outcome.error}")
        if (trial.number + 1) % _TRIALS_PER_LINE == 0:
            self.log(f"{trial.number + 1} trials, best so far {self.best_perf_so_far:.4f} ms")

    def _best(self, task: KernelTask, study: optuna.Study) -> Config:
        trials = _finished(study)
        counts = Counter(trial.user_attrs["status"] for trial in trials)
        outcomes = ", ".join(f"{count} {status}" for status, count in counts.most_common())
        self.log(f"Study {study.study_name}: {len(trials)} trials ({outcomes})")
        if (best := winner_of(study)) is None:
            first = trials[0].user_attrs
            reason = TrialFailedError(first["status"], str(first.get("error")))
            raise _compat_search.NoConfigFound from reason
        self.best_perf_so_far = best.latency_ms
        return task.recorded(best.configuration, "The best configuration on record")


def _check(
    sampler: BaseSampler | None, storage: str | BaseStorage | None, n_trials: int | None
) -> None:
    if not isinstance(sampler, BaseSampler | None):
        raise TypeError(
            f"sampler={sampler!r}: expected an Optuna sampler, as LFBOSampler(), or None"
        )
    if not isinstance(storage, str | BaseStorage | None):
        raise TypeError(f"storage={storage!r}: expected a URL, an Optuna storage or None")
    if not isinstance(n_trials, int | None):
        raise TypeError(f"n_trials={n_trials!r}: expected an integer or None")
    if n_trials is not None and n_trials < 1:
        raise ValueError(f"n_trials={n_trials!r}: expected 1 or more")


def _n_trials_of(effort: str) -> int:
    text = os.environ.get(N_TRIALS_VARIABLE)
    if not text:
        return _N_TRIALS[effort]
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{N_TRIALS_VARIABLE}={text!r}: expected an integer of 1 or more")
    return int(text)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    # One that was interrupted says nothing about its configuration.
    return [trial for trial in trials if isinstance(trial.user_attrs.get("status"), str)]


def _measured(study: optuna.Study) -> list[FrozenTrial]:
    free = ("duplicate", "rejected")
    return [trial for trial in _finished(study) if trial.user_attrs["status"] not in free]


def _outcome_of(trial: FrozenTrial) -> Outcome:
    attributes = trial.user_attrs
    return Outcome(
        attributes["status"],
        trial.value,
        error=attributes.get("error"),
        compile_s=attributes["compile_s"],
    )


@contextmanager
def _quiet_optuna(level: int) -> Iterator[None]:
    # Helion's log tells of the trials, as far as the kernel's autotune_log_level wants it.
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, level))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


_compat_search.register(OptunaSearch.__name__, OptunaSearch)
