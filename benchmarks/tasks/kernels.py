"""Brute-forced GPU kernel timings in Kernel Tuner's cache format, as tasks."""

from __future__ import annotations

import gzip
import json
import math
import statistics
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from optuna.distributions import CategoricalDistribution, IntDistribution

from benchmarks.tasks.base import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import optuna
    from optuna.distributions import BaseDistribution

    from benchmarks.tasks.base import Params

Encoding = Literal["int", "cat"]
ENCODINGS: tuple[Encoding, ...] = ("int", "cat")
SUFFIX = ".json.gz"


class KernelTable:
    """The timings of one kernel on one GPU over a grid of parameter values.

    Attributes:
        values: the values of each parameter that has more than one.
        times: milliseconds by parameter values in that order; a point that is absent violates
            a constraint of the kernel, and NaN marks one that did not compile or run.
    """

    def __init__(self, path: Path) -> None:
        raw = json.loads(gzip.decompress(path.read_bytes()))
        self.name = path.name.removesuffix(SUFFIX)
        self.values: dict[str, list[Any]] = {
            name: values for name, values in raw["tune_params"].items() if len(values) > 1
        }
        self.times: dict[tuple[Any, ...], float] = {
            tuple(entry[name] for name in self.values): _milliseconds(entry["time"])
            for entry in raw["cache"].values()
        }
        finite = sorted(time for time in self.times.values() if math.isfinite(time))
        self.reference = Reference(finite[0], statistics.median(finite), finite[-1])


def _milliseconds(time: float | str) -> float:
    """A failed configuration has the name of its failure in place of a time."""
    return math.nan if isinstance(time, str) else float(time)


@cache
def load_table(path: Path) -> KernelTable:
    """Reads a table once a process."""
    return KernelTable(path)


class KernelTask:
    """A kernel table searched without knowledge of its constraints.

    The ``int`` encoding makes each parameter the index of its value; ``cat`` makes it a
    categorical of its values.
    """

    def __init__(self, table: KernelTable, encoding: Encoding) -> None:
        self.name = f"kernel/{table.name}/{encoding}"
        self.table = table
        self.encoding = encoding
        self.reference = table.reference
        self.distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values)
            if encoding == "cat"
            else IntDistribution(0, len(values) - 1)
            for name, values in table.values.items()
        }

    def suggest(self, trial: optuna.Trial) -> Params:
        if self.encoding == "cat":
            return {n: trial.suggest_categorical(n, v) for n, v in self.table.values.items()}
        return {n: trial.suggest_int(n, 0, len(v) - 1) for n, v in self.table.values.items()}

    def evaluate(self, params: Mapping[str, Any]) -> float:
        if self.encoding == "cat":
            point = tuple(params[name] for name in self.table.values)
        else:
            point = tuple(values[params[name]] for name, values in self.table.values.items())
        return self.table.times.get(point, math.nan)
