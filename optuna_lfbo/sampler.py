"""Optuna's protocol of `LFBOSampler`; the numbers are made in the modules beside it."""

from __future__ import annotations

import functools
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.logging import get_logger
from optuna.samplers import BaseSampler, RandomSampler
from threadpoolctl import ThreadpoolController

from optuna_lfbo._history import RELATIVE_PARAMS_KEY, History
from optuna_lfbo._search import Search
from optuna_lfbo._settings import QUANTILE, Settings
from optuna_lfbo._space import Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState
    from sklearn.base import ClassifierMixin

    from optuna_lfbo._canonical import Canonical
    from optuna_lfbo._search import Constraint

_logger = get_logger("optuna.lfbo")


@functools.cache
def _libraries() -> ThreadpoolController:
    """The numerical libraries that have threads; finding them takes some milliseconds."""
    return ThreadpoolController()


class LFBOSampler(BaseSampler):
    """Likelihood-free Bayesian optimization with pattern search.

    Pattern search proposes moves around incumbents that differ from one another. A forest
    classifier that has learned which trials are among the best filters them, and a Gaussian
    process over the ranks of the trials orders what is left by expected improvement. Neither
    looks at the values themselves, only at which trial is better. Failed and pruned trials
    are the worst, so the sampler keeps away from the invalid part of a search space. Running
    trials count as pending: any number of workers may share a study.

    The method is that of Song et al., "A General Recipe for Likelihood-free Bayesian
    Optimization" (ICML 2022); Helion's ``LFBOPatternSearch`` joined it with pattern search.

    Every parameter that some trial has had belongs to the search space, so conditional
    parameters are sampled jointly. Single-objective studies only.

    Args:
        seed: Seed of the random number generator. The random numbers of a trial follow from
            the seed and the trial's number, so a resumed study does not repeat itself.
        n_startup_trials: Number of finished trials before the models are used; until then
            configurations are spread over the space. Enqueued trials count.
        quantile: Share of the successful trials that the forest is told are good, in (0, 1).
        constraint: Called with the parameters of a configuration before it is proposed; one
            for which it returns False costs no trial. Parameters of the first trial, and
            others that are sampled independently, are not checked. What cannot be told in
            advance needs no constraint: let the trial fail.
        canonical: Called with the parameters of a configuration, returns those that stand for
            it and for all others that are the same in effect, such as the ones that differ
            only in a parameter that another one switches off. Has to return what it returned
            when it is given it. A configuration is proposed in this form, and only if no
            trial has had it yet; one for which a ValueError is raised stands for itself.
        classifier: A scikit-learn classifier with ``fit`` and ``predict_proba`` to learn, in
            place of the forest, which trials are good. Each fit is of a clone, with weights
            that balance both classes if it takes ``sample_weight``. Features are numbers
            between 0 and 1, one for each choice of an unordered categorical parameter and
            ``NaN`` for a parameter that a trial does not have: where there are such trials,
            begin with an imputer if the classifier does not take them.
        independent_sampler: Samples parameters that no other trial has had, as in the
            first trial. A `RandomSampler` by default.
        warn_independent_sampling: Whether to warn when a parameter is sampled independently
            after the startup trials.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If ``classifier`` is not a classifier of probabilities.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        n_startup_trials: int = 6,
        quantile: float = QUANTILE,
        constraint: Constraint | None = None,
        canonical: Canonical | None = None,
        classifier: ClassifierMixin | None = None,
        independent_sampler: BaseSampler | None = None,
        warn_independent_sampling: bool = True,
    ) -> None:
        if n_startup_trials < 0:
            raise ValueError(f"n_startup_trials={n_startup_trials!r}: expected 0 or more")
        if not 0.0 < quantile < 1.0:
            raise ValueError(f"quantile={quantile!r}: expected a number between 0 and 1")
        if classifier is not None and not _is_classifier(classifier):
            raise TypeError(
                f"classifier={classifier!r}: expected a scikit-learn classifier, an instance with "
                "get_params, fit and predict_proba"
            )
        self._constraint = constraint
        self._canonical = canonical
        self._classifier = classifier
        self._settings = Settings(n_startup_trials=n_startup_trials, quantile=quantile)
        self._entropy = np.random.SeedSequence(seed).entropy
        self._independent_sampler = independent_sampler or RandomSampler(seed=seed)
        self._warn_independent_sampling = warn_independent_sampling
        self._forget()

    def _forget(self) -> None:
        """Drop what is only a shortcut: it is read from the study again."""
        self._lock = threading.Lock()
        self._study: weakref.ref[Study] | None = None
        self._history = History()
        self._search: Search | None = None
        self._read_for: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        shortcuts = {"_lock", "_study", "_history", "_search", "_read_for"}
        return {name: value for name, value in self.__dict__.items() if name not in shortcuts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def reseed_rng(self) -> None:
        """Draw a new seed; Optuna calls this in the threads of ``n_jobs > 1``."""
        self._entropy = np.random.SeedSequence().entropy
        self._independent_sampler.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Union of the parameters of all trials, each with the range of the latest one."""
        with self._lock:
            return dict(sorted(self._history_for(study, trial).distributions.items()))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Choose the next configuration.

        Raises:
            ValueError: If the study is multi-objective.
        """
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        with self._lock:
            history = self._history_for(study, trial)
            if self._search is None or self._search.space.distributions != search_space:
                space = Space(search_space)
                self._search = Search(
                    space,
                    study.direction,
                    self._settings,
                    self._constraint,
                    self._canonical,
                    self._classifier,
                )
            # On matrices of some hundred rows, more threads only wait for each other.
            with _libraries().limit(limits=1):
                row = self._search.ask(history, trial.number, self._rng(trial))
            params = self._search.space.decode(row)
            # Other workers keep away from what this trial is going to be given.
            study._storage.set_trial_system_attr(trial._trial_id, RELATIVE_PARAMS_KEY, params)
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one parameter that the relative search space does not hold.

        Raises:
            ValueError: If the study is multi-objective.
        """
        self._raise_error_if_multi_objective(study)
        if self._warn_independent_sampling:
            with self._lock:
                n_finished = len(self._history_for(study, trial).finished)
            if n_finished >= max(self._settings.n_startup_trials, 1):
                _logger.warning(
                    f"The parameter {param_name} of trial {trial.number} is sampled by "
                    f"{self._independent_sampler}, not by {self}: no other trial has had "
                    f"it in this range. warn_independent_sampling=False hides this warning."
                )
        return self._independent_sampler.sample_independent(
            study, trial, param_name, param_distribution
        )

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the independent sampler."""
        self._independent_sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Pass on to the independent sampler."""
        self._independent_sampler.after_trial(study, trial, state, values)

    def _history_for(self, study: Study, trial: FrozenTrial) -> History:
        """The study's history, read once a trial: a storage may be slow."""
        if self._study is None or self._study() is not study:
            self._study = weakref.ref(study)
            self._history = History()
            self._search = None
            self._read_for = None
        if self._read_for != trial.number:
            self._history.update(study)
            self._read_for = trial.number
        return self._history

    def _rng(self, trial: FrozenTrial) -> np.random.Generator:
        """The generator of one trial."""
        assert isinstance(self._entropy, int)
        return np.random.default_rng([self._entropy, trial.number])


def _is_classifier(value: object) -> bool:
    needed = ("get_params", "fit", "predict_proba")
    return not isinstance(value, type) and all(hasattr(value, name) for name in needed)
