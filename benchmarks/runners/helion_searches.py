"""Runs of Helion's own searches: unmodified classes that measure a task instead of a kernel."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import helion
import torch
from helion.autotuner import EnumFragment, IntegerFragment, search_algorithms
from helion.autotuner.benchmark_provider import BenchmarkProvider, BenchmarkResult
from helion.autotuner.external import _ExternalKernelAdapter, create_user_config_spec
from optuna.distributions import CategoricalDistribution, IntDistribution

from benchmarks.tasks import BudgetExhaustedError, FlatTask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from helion.autotuner.config_fragment import ConfigSpecFragment
    from optuna.distributions import BaseDistribution

    from benchmarks.spec import Spec
    from benchmarks.tasks import Evaluator

ALGORITHMS = {
    "helion_lfbo_pattern": "LFBOPatternSearch",
    "helion_lfbo_tree": "LFBOTreeSearch",
    "helion_pattern": "PatternSearch",
}


def fragment(distribution: BaseDistribution) -> ConfigSpecFragment:
    """Helion's counterpart of a distribution, with the first value as the default.

    Raises:
        TypeError: Helion has none, as for floats.
    """
    if isinstance(distribution, CategoricalDistribution):
        return EnumFragment(distribution.choices)
    if isinstance(distribution, IntDistribution) and distribution.step == 1:
        return IntegerFragment(distribution.low, distribution.high, distribution.low)
    raise TypeError(f"Helion's searches know no parameter like {distribution}")


def provider_for(evaluate: Evaluator) -> Callable[..., BenchmarkProvider]:
    """Makes the class of providers that answer from the evaluator."""

    class TaskProvider(BenchmarkProvider):
        """Values are exact, so measuring one again confirms it."""

        mutated_arg_indices: Sequence[int] = ()

        def __init__(self, **context: Any) -> None:
            pass

        def setup(self) -> None:
            pass

        def cleanup(self) -> None:
            pass

        def benchmark(self, configs: list[helion.Config], **_: Any) -> list[BenchmarkResult]:
            return [_measure(evaluate, config) for config in configs]

        def benchmark_isolated(self, fns: list[Any], **_: Any) -> list[None]:
            return [None] * len(fns)

    return TaskProvider


def _measure(evaluate: Evaluator, config: helion.Config) -> BenchmarkResult:
    value = evaluate(config.config)
    failed = math.isnan(value)
    return BenchmarkResult(
        config=config,
        fn=_no_kernel,
        perf=math.inf if failed else value,
        status="error" if failed else "ok",
        compile_time=0.0,
    )


def _no_kernel(*_: object) -> None:
    """Stands where a compiled kernel would."""


def run(spec: Spec, evaluate: Evaluator, seed: int) -> dict[str, float]:
    """Runs one search with Helion's defaults unless the spec says otherwise.

    The search may end by itself before the budget is spent. What comes after it, the finalists'
    duel on a GPU, is switched off: values are exact.
    """
    assert isinstance(evaluate.task, FlatTask)
    fragments = {name: fragment(d) for name, d in evaluate.task.distributions.items()}
    kernel = _ExternalKernelAdapter(
        create_user_config_spec(fragments),
        compile_fn=lambda config: _no_kernel,
        args=(),
        device=torch.device("cpu"),
        autotune_random_seed=seed,
        autotune_progress_bar=False,
        autotune_log_level=0,
    )
    search = search_algorithms[ALGORITHMS[spec.family]](kernel, (), **spec.kwargs)
    search._benchmark_provider_cls = provider_for(evaluate)
    search.final_selection = None
    with (
        patch.dict(os.environ, {"HELION_AUTOTUNE_FINAL_REBENCHMARK_TOP_K": "0"}),
        suppress(BudgetExhaustedError, helion.exc.NoConfigFound),
    ):
        search.autotune()
    return {}
