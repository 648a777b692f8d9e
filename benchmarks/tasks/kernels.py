"""Brute-forced GPU kernel timings in Kernel Tuner's cache format, as tasks."""

from __future__ import annotations

import gzip
import json
import math
import statistics
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from optuna.distributions import CategoricalDistribution, IntDistribution

from benchmarks.tasks.base import FlatTask, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from optuna.distributions import BaseDistribution

Encoding = Literal["int", "cat"]
ENCODINGS: tuple[Encoding, ...] = ("int", "cat")
SUFFIX = ".json.gz"


class KernelTable:
    """The timings of one kernel on one GPU over a grid of parameter values.

    Attributes:
        path: the file.
        values: the values of each parameter that has more than one.
        times: milliseconds by parameter values in that order; a point that is absent violates
            a constraint of the kernel, and NaN marks one that did not compile or run.
    """

    def __init__(self, path: Path) -> None:
        raw = json.loads(gzip.decompress(path.read_bytes()))
        self.path = path
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


class KernelTask(FlatTask):
    """A kernel table. The constraints of the kernel are met like any other failure.

    The ``int`` encoding makes each parameter the index of its value; ``cat`` makes it a
    categorical of its values.
    """

    def __init__(self, name: str, table: KernelTable, encoding: Encoding) -> None:
        distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values)
            if encoding == "cat"
            else IntDistribution(0, len(values) - 1)
            for name, values in table.values.items()
        }
        super().__init__(name, distributions, table.reference)
        self.table = table
        self.encoding = encoding

    def point(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """Values in the order of the table's parameters."""
        if self.encoding == "cat":
            return tuple(params[name] for name in self.table.values)
        return tuple(values[params[name]] for name, values in self.table.values.items())

    def is_valid(self, params: Mapping[str, Any]) -> bool:
        """Whether a point meets the kernel's constraints; it may fail all the same."""
        return self.point(params) in self.table.times

    def evaluate(self, params: Mapping[str, Any]) -> float:
        return self.table.times.get(self.point(params), math.nan)
