"""What a task is, and the count of evaluations that every runner shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

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

    name: str
    reference: Reference

    def suggest(self, trial: optuna.Trial) -> Params:
        """Asks the trial for every parameter, as an Optuna user's objective does."""

    def evaluate(self, params: Mapping[str, Any]) -> float:
        """Returns the value of a point, NaN if it fails."""


class FlatTask(Task, Protocol):
    """A task whose space does not depend on the values of other parameters."""

    distributions: dict[str, BaseDistribution]


class BudgetExhausted(Exception):
    """Raised by an :class:`Evaluator` that may not evaluate any further."""


class Evaluator:
    """Evaluates a task at no more than ``n_trials`` distinct points and remembers them in order.

    A repeated point is answered from memory and costs nothing, but the calls are limited too,
    so that a search that asks for the same point for ever ends.

    Attributes:
        values: the value of each distinct point in order of evaluation, NaN for failures.
        n_calls: how many points were asked for, repeated ones included.
    """

    CALLS_PER_TRIAL = 5

    def __init__(self, task: Task, n_trials: int) -> None:
        self.task = task
        self.n_trials = n_trials
        self.values: list[float] = []
        self.n_calls = 0
        self._seen: dict[Hashable, float] = {}

    @property
    def exhausted(self) -> bool:
        """Whether the next call may be refused."""
        return (
            len(self.values) >= self.n_trials
            or self.n_calls >= self.CALLS_PER_TRIAL * self.n_trials
        )

    def __call__(self, params: Mapping[str, Any]) -> float:
        """Returns the value of a point, NaN if it fails.

        Raises:
            BudgetExhausted: the point is new and the budget is spent, or too many were asked for.
        """
        key = tuple(sorted(params.items()))
        if key in self._seen and self.n_calls < self.CALLS_PER_TRIAL * self.n_trials:
            self.n_calls += 1
            return self._seen[key]
        if self.exhausted:
            raise BudgetExhausted
        self.n_calls += 1
        value = self.task.evaluate(params)
        self._seen[key] = value if math.isfinite(value) else math.nan
        self.values.append(self._seen[key])
        return self._seen[key]
