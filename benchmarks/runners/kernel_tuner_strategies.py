"""Runs of Kernel Tuner's strategies in its simulation mode."""

from __future__ import annotations

import atexit
import gzip
import math
import random
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from kernel_tuner import tune_kernel, util

from benchmarks.tasks import BudgetExhaustedError
from benchmarks.tasks.kernels import KernelTable, KernelTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.spec import Spec
    from benchmarks.tasks import Evaluator

DUAL_ANNEALING_CALLS = 10
"""Dual annealing takes the budget for one of calls, which repeat points, not of evaluations."""


@cache
def cache_file(table: KernelTable) -> Path:
    """Unpacks a table for Kernel Tuner, which wants to append to it, once a process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    path = folder / table.path.with_suffix("").name
    path.write_bytes(gzip.decompress(table.path.read_bytes()))
    return path


def restriction(table: KernelTable, strategy: str) -> Callable[[dict[str, Any]], bool]:
    """The kernel's constraints and no more: points that fail to run meet them.

    Kernel Tuner's own ``tune_cache`` declares the failures too, which no tuner can know. Its
    Bayesian optimization gets that gift here as well: it takes the largest float, which stands
    for a failure, for a measurement, and its Gaussian process answers NaN from then on.
    """
    names = list(table.values)
    allowed = set(table.times)
    if strategy == "bayes_opt":
        allowed = {point for point, time in table.times.items() if math.isfinite(time)}

    def is_valid(params: dict[str, Any]) -> bool:
        return tuple(params[name] for name in names) in allowed

    return is_valid


def run(spec: Spec, evaluate: Evaluator, seed: int) -> dict[str, float]:
    """Runs one strategy with Kernel Tuner's defaults unless the spec says otherwise."""
    task = evaluate.task
    assert isinstance(task, KernelTask)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - it is what the strategies draw from
    strategy = spec.family.removeprefix("kt_")
    calls = DUAL_ANNEALING_CALLS if strategy == "dual_annealing" else 1
    path = cache_file(task.table)
    results, _ = tune_kernel(
        **util.infer_args_from_cache(util.read_cache(path, open_cache=False)),
        cache=path,
        simulation_mode=True,
        restrictions=restriction(task.table, strategy),
        strategy=strategy,
        strategy_options={"max_fevals": calls * evaluate.n_trials, **spec.kwargs},
        objective="time",
        quiet=True,
    )
    with suppress(BudgetExhaustedError):
        for result in results:
            evaluate({n: v.index(result[n]) for n, v in task.table.values.items()})
    return {}
