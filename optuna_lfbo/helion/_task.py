"""One thing to tune, between the trials of a study and the engine that measures them."""

from __future__ import annotations

import abc
import json
import os
import platform
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from optuna_lfbo.helion import _study
from optuna_lfbo.helion._outcome import Outcome, one_line
from optuna_lfbo.helion._setup import engines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._identity import Identity
    from optuna_lfbo.helion._setup import Setup

Configuration: TypeAlias = dict[str, Any]
"""What a program is built from, as JSON has it."""

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


class RejectedError(Exception):
    """A configuration is not worth compiling; the message says why."""


class Task(abc.ABC):
    """What is tuned; a study's trials become configurations and outcomes of it.

    Attributes:
        identity: What its studies are about.
        distributions: The search space.
        seeds: Configurations to measure first, the most promising ones.
        default: The one that would run without tuning, if there is one.
        metric: What the studies minimise.
    """

    metric = "latency_ms"

    def __init__(
        self,
        identity: Identity,
        distributions: Mapping[str, BaseDistribution],
        seeds: Sequence[Mapping[str, object]],
        default: Mapping[str, object] | None,
    ) -> None:
        self.identity = identity
        self.distributions = dict(distributions)
        self.seeds = [json_of(seed) for seed in seeds]
        self.default = None if default is None else json_of(default)
        self._lock = threading.Lock()
        self._ledgers: weakref.WeakKeyDictionary[optuna.Study, _study.Ledger] = (
            weakref.WeakKeyDictionary()
        )

    @abc.abstractmethod
    def configuration(self, params: Mapping[str, Any]) -> Mapping[str, object]:
        """Return the configuration that ``params`` stand for, after all repairs.

        Raises:
            RejectedError: It is not worth compiling.
        """

    @abc.abstractmethod
    def params(self, configuration: Mapping[str, object]) -> dict[str, Any]:
        """Return parameters that stand for ``configuration``.

        Raises:
            ValueError: It lies outside the search space.
        """

    @abc.abstractmethod
    def config(self, configuration: Mapping[str, Any]) -> Any:
        """Return ``configuration`` as those who run the program need it.

        Raises:
            Exception: It is not one of this program.
        """

    @abc.abstractmethod
    def sampler(self, seed: int | None = None) -> BaseSampler:
        """Return a new sampler that knows the search space."""

    @abc.abstractmethod
    def engine(self, n_compilers: int | None = None) -> Measurer:
        """Return a new engine that is ready to measure.

        Args:
            n_compilers: Processes to start at once; by default all that it may have.

        Raises:
            KernelError: The program does not run at all.
        """

    def claim(self, study: optuna.Study) -> _study.Ledger:
        """Return the configurations that the study has outcomes for.

        Raises:
            ValueError: The study is not one for this task.
        """
        with self._lock:
            if study not in self._ledgers:
                _study.claim(study, self.identity, self.metric)
                self._ledgers[study] = _study.Ledger()
            return self._ledgers[study]

    def begin(self, trial: optuna.Trial) -> Configuration | Outcome:
        """Return the configuration to measure, or an outcome that is known without."""
        ledger = self.claim(trial.study)
        params = {
            name: _suggest(trial, name, distribution)
            for name, distribution in self.distributions.items()
        }
        trial.set_user_attr("device", self.identity.device)
        trial.set_user_attr("worker", f"{platform.node()}:{os.getpid()}")
        try:
            configuration = json_of(self.configuration(params))
        except RejectedError as error:
            return Outcome("rejected", error=one_line(str(error)))
        trial.set_user_attr("config", configuration)
        with self._lock:
            known = ledger.outcome(trial.study, configuration)
        return configuration if known is None else known

    def conclude(
        self, trial: optuna.Trial, configuration: Configuration | None, outcome: Outcome
    ) -> None:
        """Record an outcome; ``configuration`` is the one that was measured for it."""
        if configuration is not None:
            ledger = self.claim(trial.study)
            with self._lock:
                ledger.add(trial.number, configuration, outcome)
            if outcome.latency_ms is not None and configuration == self.default:
                trial.study.set_user_attr(_study.DEFAULT_LATENCY, outcome.latency_ms)
        for name, value in outcome.attributes().items():
            trial.set_user_attr(name, value)
        if outcome.status == "duplicate":
            _study.count_duplicate(trial.study)

    def starts(self, n: int, seed: int | None) -> list[Configuration]:
        """Return up to ``n`` configurations to begin with where nothing is known."""
        return []

    def enqueue(self, study: optuna.Study, configurations: Sequence[Configuration]) -> None:
        """Put those that the study has no outcome for before other trials.

        Raises:
            ValueError: The study is not one for this task.
        """
        ledger = self.claim(study)
        with self._lock:
            missing = [c for c in configurations if ledger.outcome(study, c) is None]
        # Optuna's skip_if_exists would also skip seeds whose trial was interrupted.
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        known = [trial.user_attrs.get("config") for trial in waiting]
        for configuration in missing:
            if configuration in known:
                continue
            try:
                params = self.params(configuration)
            except ValueError as error:
                _logger.warning(f"A seed is left out, as no trial can have it: {error}")
                continue
            study.enqueue_trial(params, user_attrs={"config": configuration})
            known.append(configuration)


class ProgramTask(Task):
    """One program to tune."""

    @abc.abstractmethod
    def setup(self) -> Setup:
        """Return the program and what there is to know for measuring it."""

    def engine(self, n_compilers: int | None = None) -> Measurer:
        """Return a new engine that is ready to measure."""
        (engine,) = engines([self.setup()], n_compilers)
        return engine


def json_of(configuration: Mapping[str, object]) -> Configuration:
    """Return ``configuration`` as a storage gives it back."""
    return dict(json.loads(json.dumps(dict(configuration))))


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(
        name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
    )
