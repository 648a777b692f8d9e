"""One thing to tune, between the trials of a study and the engine that measures them."""

from __future__ import annotations

import abc
import json
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from optuna_lfbo._winner import DEFAULT_LATENCY
from optuna_lfbo.helion import _study
from optuna_lfbo.helion._ledger import Ledger
from optuna_lfbo.helion._outcome import Outcome, one_line
from optuna_lfbo.helion._records import check_distributions, misfit, shown
from optuna_lfbo.helion._setup import engines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._identity import Identity
    from optuna_lfbo.helion._setup import Setup

N_DUPLICATES: Final = "n_duplicates"
"""Attribute of a study: how many of its trials took an earlier one's value."""

NEIGHBOUR: Final = "neighbour"
"""Origin of what is one step from a configuration that is known to be good."""

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
        device: Where it runs.
        device_name: What that is, for the trials.

    A task can be pickled for a process on the same machine.
    """

    metric = "latency_ms"
    device: torch.device

    def __init__(
        self,
        identity: Identity,
        distributions: Mapping[str, BaseDistribution],
        seeds: Sequence[Mapping[str, object]],
        default: Mapping[str, object] | None,
    ) -> None:
        self.identity = identity
        self.device_name = identity.device
        self.distributions = dict(distributions)
        self.seeds = [json_of(seed) for seed in seeds]
        self.default = None if default is None else json_of(default)
        self._claimed: weakref.WeakSet[optuna.Study] = weakref.WeakSet()

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

    def claim(self, study: optuna.Study) -> None:
        """Record in the study that it is one for this task, or check that it is.

        Raises:
            ValueError: It is for something else.
        """
        if study not in self._claimed:
            _study.claim(study, self.identity, self.metric)
            trials = study.get_trials(deepcopy=False)
            check_distributions(trials, self.distributions, study.study_name)
            self._claimed.add(study)

    def recorded(self, configuration: Configuration, origin: str) -> Any:
        """Return what `config` makes of a configuration from a storage.

        Args:
            configuration: What is to be a configuration.
            origin: Where it is from, for the message.

        Raises:
            ValueError: It is not one of this program.
        """
        try:
            return self.config(configuration)
        except Exception as error:  # Whatever Helion does with a dict of anything.
            raise ValueError(
                f"{origin} is to be {shown(configuration)}, which is not a configuration of "
                f"{self.identity.kernel!r}: {one_line(str(error))}"
            ) from error

    def proposed(self, trial: optuna.Trial, worker: str) -> Configuration | Outcome:
        """Return the configuration of a trial, or an outcome if it is not worth compiling."""
        trial.set_user_attr("worker", worker)
        trial.set_user_attr("device", self.device_name)
        if (reason := misfit(trial, self.distributions)) is not None:
            return Outcome("rejected", error=reason)
        params = {
            name: _suggest(trial, name, distribution)
            for name, distribution in self.distributions.items()
        }
        try:
            configuration = json_of(self.configuration(params))
        except RejectedError as error:
            return Outcome("rejected", error=one_line(str(error)))
        if trial.user_attrs.get("config") != configuration:
            trial.set_user_attr("config", configuration)
        return configuration

    def conclude(
        self, trial: optuna.Trial, configuration: Configuration | None, outcome: Outcome
    ) -> None:
        """Record an outcome; ``configuration`` is the one that was measured for it."""
        if outcome.latency_ms is not None and configuration == self.default is not None:
            trial.study.set_user_attr(DEFAULT_LATENCY, outcome.latency_ms)
        for name, value in outcome.attributes().items():
            trial.set_user_attr(name, value)
        if outcome.status == "duplicate":
            trials = trial.study.get_trials(deepcopy=False)
            n_duplicates = sum(t.user_attrs.get("status") == "duplicate" for t in trials)
            trial.study.set_user_attr(N_DUPLICATES, n_duplicates)

    def starts(self, n: int, seed: int | None) -> list[tuple[str, Configuration]]:
        """Return configurations to begin with where nothing is known, with their origins.

        Args:
            n: How many random ones at most; of others half as many at most.
            seed: Of the random ones.
        """
        return []

    def neighbours(self, configuration: Configuration) -> list[Configuration]:
        """Return configurations that are one step from another one of this task."""
        return []

    def reshaped(self, configuration: Configuration) -> list[Configuration]:
        """Return configurations that several steps which belong together lead to."""
        return []

    def reaccessed(self, configuration: Configuration) -> list[Configuration]:
        """Return those neighbours of a configuration that access memory in another way."""
        return []

    def steps_from_both(
        self, configuration: Configuration, other: Configuration
    ) -> list[tuple[Configuration, Configuration]]:
        """Return where each step leads two configurations that have much in common."""
        return []

    def enqueue(
        self,
        study: optuna.Study,
        configurations: Sequence[Configuration],
        origin: str | None = None,
        attempt: int = 1,
    ) -> None:
        """Put those that the study has no outcome for before other trials.

        Args:
            study: The study.
            configurations: What to measure.
            origin: Where they are from, for the trials' attribute of that name; that of the
                default configuration is "default". None for the sampler.
            attempt: How often that is tried, this time included.

        Raises:
            ValueError: The study is not one for this task.
        """
        self.claim(study)
        trials = study.get_trials(deepcopy=False)
        ledger = Ledger()
        ledger.read(trials)
        # Optuna's skip_if_exists would also skip seeds whose trial was interrupted.
        known = [t.user_attrs.get("config") for t in trials if t.state == TrialState.WAITING]
        for configuration in configurations:
            if ledger.outcome(configuration) is not None or configuration in known:
                continue
            if (params := self.params_of_start(configuration)) is None:
                continue
            attributes: dict[str, Any] = {"config": configuration}
            if attempt > 1:
                attributes["attempt"] = attempt
            if origin is not None:
                is_default = configuration == self.default
                attributes["origin"] = "default" if is_default else origin
            study.add_trial(self._waiting(params, attributes))
            known.append(configuration)

    def params_of_start(self, configuration: Configuration) -> dict[str, Any] | None:
        """Return the parameters of a configuration to begin with, or None if it has none."""
        try:
            return self.params(configuration)
        except Exception as error:  # Whatever Helion does with a dict of anything.
            reason = one_line(str(error))
            _logger.warning(f"A seed is left out, as no trial can have it: {reason}")
            return None

    def _waiting(self, params: Mapping[str, Any], attributes: dict[str, Any]) -> FrozenTrial:
        """A trial for the queue; with its parameters set, so that nobody has to write them."""
        return optuna.trial.create_trial(
            state=TrialState.WAITING,
            params=dict(params),
            distributions=self.distributions,
            user_attrs=attributes,
            system_attrs={"fixed_params": dict(params)},
        )

    def code(self, configuration: Mapping[str, object]) -> str | None:
        """Return what a user's call would run, as generated source; None if that is not known."""
        return None


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
