"""What a task is, and the count of evaluations that every runner shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import optuna
    from optuna.distributions import BaseDistribution

Params = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """Landmarks of a task's values, kept with every result so that scores need no task.

    Attributes:
        optimum: the smallest value there is.
        median: the median over finite values of uniformly random points.
        worst: the largest finite value there is (or was seen among random points).
    """

    optimum: float
    median: float
    worst: float


class Task(Protocol):
    """A function to minimise. Failures are NaN."""

    @property
    def name(self) -> str:
        """Its group, a slash and what tells it from others of the group."""

    @property
    def reference(self) -> Reference:
        """Landmarks of its values."""

    def suggest(self, trial: optuna.Trial) -> Params:
        """Asks the trial for every parameter, as an Optuna user's objective does."""

    def evaluate(self, params: Mapping[str, Any]) -> float:
        """Returns the value of a point, NaN if it fails."""


class FlatTask(Task):
    """A task whose parameters are always the same; subclasses evaluate it."""

    def __init__(
        self, name: str, distributions: dict[str, BaseDistribution], reference: Reference
    ) -> None:
        self._name = name
        self._reference = reference
        self.distributions = distributions

    @property
    def name(self) -> str:
        return self._name

    @property
    def reference(self) -> Reference:
        return self._reference

    def suggest(self, trial: optuna.Trial) -> Params:
        return {name: suggest(trial, name, d) for name, d in self.distributions.items()}


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Asks a trial for one parameter.

    Raises:
        TypeError: the distribution is none of Optuna's three.
    """
    match distribution:
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(name, low, high, step=step, log=log)
    raise TypeError(f"distribution is {distribution!r}, but must be one of Optuna's three")


class BudgetExhaustedError(Exception):
    """Raised by an :class:`Evaluator` that may not evaluate any further."""


class Evaluator:
    """Evaluates a task at no more than ``n_trials`` distinct points and remembers them in order.

    A repeated point is answered from memory and costs nothing, but a search that does little
    else is stopped.

    Attributes:
        values: the value of each distinct point in order of evaluation, NaN for failures.
        n_calls: how many points were asked for, repeated ones included.
    """

    CALLS_PER_TRIAL = 5
    MAX_REPEATS = 150
    """Calls in all, and calls since the last new point, after which a search counts as stuck."""

    def __init__(self, task: Task, n_trials: int) -> None:
        self.task = task
        self.n_trials = n_trials
        self.values: list[float] = []
        self.n_calls = 0
        self._n_repeats = 0
        self._seen: dict[Hashable, float] = {}

    @property
    def exhausted(self) -> bool:
        """Whether every further call is refused."""
        return (
            len(self.values) >= self.n_trials
            or self.n_calls >= self.CALLS_PER_TRIAL * self.n_trials
            or self._n_repeats >= self.MAX_REPEATS
        )

    def __call__(self, params: Mapping[str, Any]) -> float:
        """Returns the value of a point, NaN if it fails.

        Raises:
            BudgetExhaustedError: the budget is spent.
        """
        if self.exhausted:
            raise BudgetExhaustedError
        self.n_calls += 1
        key = tuple(sorted(params.items()))
        if key in self._seen:
            self._n_repeats += 1
            return self._seen[key]
        value = self.task.evaluate(params)
        self._n_repeats = 0
        self._seen[key] = value if math.isfinite(value) else math.nan
        self.values.append(self._seen[key])
        return self._seen[key]
