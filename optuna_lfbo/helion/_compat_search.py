"""Every Helion name that a search of Helion's is made of, in releases 1.4 and 1.5."""

# mypy: disable-error-code="import-untyped,misc"
# Helion ships annotations without a py.typed marker, so to mypy its classes are Any.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from helion import Config
from helion.autotuner import cache_classes, search_algorithms
from helion.autotuner.base_search import BaseSearch
from helion.autotuner.benchmark_provider import BenchmarkProvider, LocalBenchmarkProvider
from helion.autotuner.logger import AutotuneLogEntry
from helion.exc import NoConfigFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optuna_lfbo.helion._compat import BoundKernel
    from optuna_lfbo.helion._outcome import Outcome, Status

__all__ = ["HelionSearch", "NoConfigFound", "cached", "register"]

_HELION_STATUSES: Final[Mapping[Status, str]] = {
    "ok": "ok",
    "duplicate": "deduplicated",
    "compile_error": "error",
    "compile_timeout": "timeout",
    "runtime_error": "error",
    "benchmark_timeout": "timeout",
    "wrong_result": "accuracy_error",
    "rejected": "filtered",
}


def register(name: str, search: type[HelionSearch]) -> None:
    """Make ``search`` known to ``HELION_AUTOTUNER`` as ``name``."""
    search_algorithms[name] = search


def cached(bound_kernel: BoundKernel, make_search: Callable[[], HelionSearch]) -> Any:
    """Return the search behind the cache of best configurations that the settings name."""
    name = bound_kernel.settings.autotune_cache
    if name not in cache_classes:
        known = ", ".join(map(repr, cache_classes))
        raise ValueError(
            f"autotune_cache={name!r} (HELION_AUTOTUNE_CACHE): expected one of {known}"
        )
    return cache_classes[name](make_search(), autotuner_factory=make_search)


class HelionSearch(BaseSearch):
    """What Helion wants of a search, and what it tells one.

    Helion calls ``_autotune`` of a subclass, between its own logging of start and end.
    """

    best_perf_so_far: float

    def __init__(self, bound_kernel: BoundKernel, args: Sequence[object]) -> None:
        name = type(self).__name__
        if not isinstance(args, tuple | list):
            raise NotImplementedError(
                f"{name} tunes a kernel for one set of arguments, not for several at once as "
                "kernel.autotune_multi() asks; call kernel.autotune(args) for each of them."
            )
        if bound_kernel.env.process_group_name is not None:
            raise NotImplementedError(
                f"{name} does not tune kernels that communicate between processes, as their "
                "ranks would have to try the same configurations at the same time."
            )
        super().__init__(bound_kernel, args, benchmark_provider_cls=_LazyProvider)

    def budget_exceeded(self) -> bool:
        """Whether ``autotune_budget_seconds`` are over; logs it if so."""
        return bool(self._autotune_budget_exceeded())

    def report(self, config: Mapping[str, Any] | None, outcome: Outcome) -> None:
        """Enter what became of a configuration into Helion's metrics and its log files."""
        metrics = self._autotune_metrics
        metrics.num_configs_tested += outcome.status not in ("duplicate", "rejected")
        metrics.num_compile_failures += outcome.status in ("compile_error", "compile_timeout")
        metrics.num_accuracy_failures += outcome.status == "wrong_result"
        metrics.num_worker_failures += outcome.status == "benchmark_timeout"
        if config is None:
            return
        entry = Config.from_dict(dict(config))
        # Helion counts what a search has seen of the space since 1.5, if it is told to.
        if (tracker := getattr(self, "_search_space_tracker", None)) is not None:
            tracker.record_config(entry)
        # Only where settings.autotune_log asks for a file does a configuration get an id.
        config_id = self.log.register_config(entry)
        if config_id is not None:
            self.log.record_autotune_entry(
                AutotuneLogEntry(
                    generation=self._autotune_metrics.num_generations,
                    status=_HELION_STATUSES[outcome.status],
                    perf_ms=outcome.latency_ms,
                    compile_time=outcome.compile_s,
                    config_id=config_id,
                    config=entry,
                )
            )


class _LazyProvider(BenchmarkProvider):
    """Helion's provider of measurements, made once Helion itself wants one.

    A search that leaves measuring to an objective needs none, and the constructor of Helion's
    compiles and runs the kernel. Only the last round of ``autotune_best_of_k`` comes here.
    """

    mutated_arg_indices: Sequence[int] = ()

    def __init__(self, **context: Any) -> None:
        self._context = context
        self._provider: LocalBenchmarkProvider | None = None

    def benchmark(self, configs: list[Config], **options: Any) -> Any:
        if self._provider is None:
            self._provider = LocalBenchmarkProvider(**self._context)
            self._provider.setup()
        return self._provider.benchmark(configs, **options)

    def setup(self) -> None:
        pass

    def cleanup(self) -> None:
        provider, self._provider = self._provider, None
        if provider is not None:
            provider.cleanup()
