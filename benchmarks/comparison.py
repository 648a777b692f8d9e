"""Which samplers are compared on which tasks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import scores
from benchmarks.spec import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.records import Record
    from benchmarks.scores import Array

BASELINES = ("random", "kt_random_sample")
"""Random search with constraints unknown and known."""

RATIO_GROUPS = ("kernel", "known", "surrogate")
"""Tasks whose values are times: scored by fractions and Kernel Tuner's score, not by regret."""

Runs = dict[str, dict[str, list["Record"]]]
"""Runs by sampler and task."""


@dataclass(frozen=True)
class Comparison:
    """Samplers that have all run on the same tasks.

    Attributes:
        title: what is compared.
        tasks: names of the tasks.
        runs: by sampler and task.
        left_out: samplers that lack some of the tasks.
    """

    title: str
    tasks: list[str]
    runs: Runs
    left_out: list[str]

    @property
    def samplers(self) -> list[str]:
        """Best first."""
        return sorted(self.runs, key=lambda sampler: -self.scores[sampler].mean())

    @property
    def by_ratio(self) -> bool:
        """Whether values are times, so that their ratios mean something."""
        return self.tasks[0].partition("/")[0] in RATIO_GROUPS

    def curves(self, sampler: str) -> Array:
        """Fraction of the optimum, or regret, of each task. Shape (n_tasks, n_trials)."""
        score = scores.fraction_of_optimum if self.by_ratio else scores.regret
        return self._stack(sampler, score)

    @cached_property
    def scores(self) -> dict[str, Array]:
        """Each sampler's score on each task, higher is better.

        Kernel Tuner's score where there is random search to compare with; else the mean over
        evaluations of the fraction of the optimum, or of the negative regret.
        """
        return {sampler: self._score(sampler) for sampler in self.runs}

    @cached_property
    def baseline(self) -> str | None:
        """The random search among the samplers."""
        return next((sampler for sampler in BASELINES if sampler in self.runs), None)

    def _score(self, sampler: str) -> Array:
        if not self.by_ratio:
            return np.asarray(-self.curves(sampler).mean(axis=1))
        if self.baseline is None:
            return np.asarray(self.curves(sampler).mean(axis=1))
        return np.array(
            [
                scores.performance(self.runs[sampler][t], self.runs[self.baseline][t]).mean()
                for t in self.tasks
            ]
        )

    def _stack(self, sampler: str, curve: Callable[[Sequence[Record]], Array]) -> Array:
        return np.array([curve(self.runs[sampler][task]) for task in self.tasks])


def compare(title: str, records: Iterable[Record], ours: str) -> Comparison:
    """Compares what has run on all tasks that ``ours`` has, or on all tasks if it has none."""
    runs: Runs = defaultdict(lambda: defaultdict(list))
    for record in records:
        runs[record.sampler][record.task].append(record)
    tasks = sorted(
        runs[ours] if ours in runs else {t for by_task in runs.values() for t in by_task}
    )
    complete = {name: by_task for name, by_task in runs.items() if set(tasks) <= set(by_task)}
    left_out = sorted(
        f"{name} ({len(set(tasks) & set(by_task))} of {len(tasks)} tasks)"
        for name, by_task in runs.items()
        if name not in complete
    )
    return Comparison(title, tasks, _truncate(complete, tasks), left_out)


def _truncate(runs: Runs, tasks: Sequence[str]) -> Runs:
    """Cuts every run to the smallest budget among them."""
    n_trials = min(r.n_trials for by_task in runs.values() for t in tasks for r in by_task[t])
    return {
        sampler: {
            task: [
                replace(run, n_trials=n_trials, values=run.values[:n_trials])
                for run in by_task[task]
            ]
            for task in tasks
        }
        for sampler, by_task in runs.items()
    }


def best_variants(comparison: Comparison, ours: str) -> Comparison:
    """Keeps the best of each family's variants, and every variant of our own."""
    own = parse(ours).family
    kept: dict[str, str] = {}
    for sampler in comparison.samplers:
        family = parse(sampler).family
        kept.setdefault(sampler if family == own else family, sampler)
    runs = {sampler: comparison.runs[sampler] for sampler in kept.values()}
    return replace(comparison, runs=runs)
