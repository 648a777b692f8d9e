"""Every Helion name that is private or has moved between releases 1.4 and 1.5.

The rest of the package speaks of Helion only through this module.
"""

# mypy: disable-error-code="import-untyped,misc"
# Helion ships annotations without a py.typed marker, so to mypy its classes are Any.

from __future__ import annotations

import copy
import math
import sys
import time
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from helion import Config, Kernel, exc
from helion._compat import get_device_name
from helion.autotuner.base_search import normalize_autotune_seed_configs
from helion.autotuner.benchmark_provider import LocalBenchmarkProvider
from helion.autotuner.benchmark_worker import BenchmarkSubprocessError, BenchmarkTimeout
from helion.autotuner.config_fragment import (
    BooleanFragment,
    EnumFragment,
    IntegerFragment,
    ListOf,
    NumThreadsFragment,
    PermutationFragment,
    PowerOfTwoFragment,
)
from helion.autotuner.logger import AutotuningLogger, match_unrecoverable_runtime_error
from helion.autotuner.metrics import AutotuneMetrics
from helion.exc import InvalidConfig

from optuna_lfbo.helion._measure import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "BooleanFragment",
    "Config",
    "EnumFragment",
    "IntegerFragment",
    "InvalidConfig",
    "Kernel",
    "ListOf",
    "NumThreadsFragment",
    "PermutationFragment",
    "PowerOfTwoFragment",
]

BoundKernel: TypeAlias = Any
ConfigGeneration: TypeAlias = Any

# Settings that change the code Helion generates from the same kernel source.
_CODEGEN_SETTINGS = (
    "backend",
    "dot_precision",
    "fast_math",
    "index_dtype",
    "pallas_interpret",
    "static_shapes",
)


def config_generation(bound_kernel: BoundKernel) -> ConfigGeneration:
    """Return the flat view of the search space, made as Helion's own searches make it."""
    settings = bound_kernel.settings
    return bound_kernel.config_spec.create_config_generation(
        overrides=settings.autotune_config_overrides or None,
        advanced_controls_files=settings.autotune_search_acf or None,
    )


def searched_fragments(generation: ConfigGeneration) -> Iterator[tuple[str, int, object]]:
    """Yield the name, the flat index and the fragment of each slot that is not pinned."""
    for key, (indices, is_sequence) in generation._key_to_flat_indices.items():
        if key in generation._override_values:
            continue
        for position, index in enumerate(indices):
            name = f"{key}[{position}]" if is_sequence else key
            yield name, index, generation.flat_spec[index]


def searched_choices(fragment: EnumFragment) -> tuple[object, ...]:
    """Return what a search may choose from: Helion's subset, and always the default."""
    choices = fragment.choices if fragment.search_choices is None else fragment.search_choices
    default = fragment.default()
    return tuple(choices) if default in choices else (default, *choices)


def completed(bound_kernel: BoundKernel, config: Config | Mapping[str, object]) -> Config:
    """Return ``config`` with defaults for what it leaves out, checked by Helion.

    Raises:
        InvalidConfig: It is not a configuration of this kernel.
    """
    spec = bound_kernel.config_spec
    merged = Config.from_dict(copy.deepcopy({**spec.default_config().config, **dict(config)}))
    spec.normalize(merged)
    return merged


def seed_configs(bound_kernel: BoundKernel, generation: ConfigGeneration) -> list[Config]:
    """Return the default, the compiler's and the user's seeds, each once."""
    default = bound_kernel.config_spec.default_config()
    user_seeds = normalize_autotune_seed_configs(bound_kernel.settings)
    pairs = [
        generation.canonicalize_flat(generation.flatten(default)),
        *generation.seed_flat_config_pairs(),
        *generation.user_seed_flat_config_pairs(user_seeds),
    ]
    return list(dict.fromkeys(config for _, config in pairs))


def screened(bound_kernel: BoundKernel, config: Config) -> Config | None:
    """Apply the kernel's ``autotune_config_filter`` and Helion's own screening.

    Returns:
        The configuration to measure, which the user's filter may have changed, or None for
        one that is not worth compiling.
    """
    config_filter = bound_kernel.settings.autotune_config_filter
    candidate = config if config_filter is None else config_filter(config)
    # Backends have had a screen of their own since Helion 1.5.
    backend = bound_kernel.config_spec.backend
    is_viable = getattr(backend, "autotune_config_is_viable", None)
    if candidate is None or is_viable is None:
        return candidate
    return candidate if is_viable(bound_kernel.config_spec, candidate) else None


def codegen_settings(kernel: Kernel) -> dict[str, str]:
    """Return the settings that change the code generated for ``kernel``, as texts."""
    return {name: str(getattr(kernel.settings, name, None)) for name in _CODEGEN_SETTINGS}


def device_name(bound_kernel: BoundKernel) -> str:
    """Return the name of the device that the arguments live on, such as "NVIDIA H100"."""
    device = bound_kernel.env.device
    return get_device_name(device) or str(device.type)


class _RecordingLogger(AutotuningLogger):
    """Keeps the exception that Helion reports of a configuration, instead of printing it.

    Helion turns most exceptions into the one status "error" and tells them apart only in
    what it logs from within the ``except`` clause.
    """

    recording = False
    error: BaseException | None = None

    def __call__(self, *msg: Any, **kwargs: Any) -> None:
        if not self.recording:
            super().__call__(*msg, **kwargs)
            return
        self.error = sys.exc_info()[1] or self.error


class Provider(LocalBenchmarkProvider):
    """Helion's benchmark provider, asked for one configuration at a time.

    The constructor computes the baseline that results are checked against.
    """

    def __init__(self, bound_kernel: BoundKernel, args: Sequence[object]) -> None:
        # A copy, for the kernel's settings are the user's. The errors that Helion is told to
        # ignore it does not log either.
        settings = copy.copy(bound_kernel.settings)
        settings.autotune_progress_bar = False
        settings.autotune_ignore_errors = False
        spec = bound_kernel.config_spec
        if not spec.backend.supports_precompile():
            settings.autotune_precompile = None
        log, metrics = _RecordingLogger(settings), AutotuneMetrics()
        self._forget()
        super().__init__(bound_kernel, settings, spec, args, log, metrics)

    def attempt(self, config: Config) -> Attempt:
        """Compile, check and time one configuration; never raise for what it does wrong."""
        self._forget()
        self.log.error, self.log.recording = None, True
        wrong_before = self._autotune_metrics.num_accuracy_failures
        started = time.perf_counter()
        latency, status, error = math.inf, "error", None
        try:
            result = self.benchmark([config])[0]
            latency, status = result.perf, result.status
        except Exception as exception:
            # Compilers raise all sorts of things, and any of them is the configuration's end.
            error = exception
        finally:
            self.log.recording = False
        ended = time.perf_counter()
        launched_at = self._launched_at or ended
        return Attempt(
            latency_ms=latency,
            deduplicated=status == "deduplicated",
            launched=self._launched_at is not None,
            timed_out=self._timed_out(),
            mismatch=self._mismatch_text(status, wrong_before),
            error=self._cause(error),
            fatal=_is_fatal(error),
            compile_s=launched_at - started,
            measure_s=ended - launched_at,
        )

    def cleanup(self) -> None:
        """Stop the worker process and drop the baseline's tensors."""
        self._forget()
        self.log.error = None
        try:
            super().cleanup()
        except BenchmarkSubprocessError as error:
            # The measurements are done; a process that outlives SIGKILL does not undo them.
            self.log.warning(f"The benchmark worker could not be stopped: {error}")

    def _forget(self) -> None:
        self._launched_at: float | None = None
        self._mismatch: str | None = None
        self._precompilation: Any = None

    def _timed_out(self) -> Literal["compile", "benchmark"] | None:
        if getattr(self._precompilation, "failure_reason", None) == "timeout":
            return "compile"
        return "benchmark" if isinstance(self.log.error, BenchmarkTimeout) else None

    def _mismatch_text(self, status: str, wrong_before: int) -> str | None:
        if status == "source_rejected":
            return "another configuration with the same generated source gave a wrong result"
        if self._autotune_metrics.num_accuracy_failures == wrong_before:
            return None
        return self._mismatch or str(self.log.error or "")

    def _cause(self, raised: BaseException | None) -> BaseException | None:
        error: BaseException | None = raised or self.log.error
        remote = getattr(self._precompilation, "remote_error", None)
        if isinstance(raised, exc.TritonError):
            # It wraps the compiler's own message in the text of the whole kernel.
            error = raised.__cause__ or raised
        elif raised is None and self._timed_out() == "compile":
            limit = self.settings.autotune_compile_timeout
            error = TimeoutError(f"the compiler had not finished after {limit} s")
        elif raised is None and remote is not None:
            error = _rebuilt(remote)
        return error

    # The rest observes the steps of LocalBenchmarkProvider.benchmark().

    def _create_precompile_future(self, *args: Any, **kwargs: Any) -> Any:
        self._precompilation = super()._create_precompile_future(*args, **kwargs)
        return self._precompilation

    def _benchmark_function(self, *args: Any, **kwargs: Any) -> Any:
        self._launched_at = time.perf_counter()
        return super()._benchmark_function(*args, **kwargs)

    def _run_subprocess_accuracy_check_job(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._run_subprocess_accuracy_check_job(*args, **kwargs)
        if result is not None and not result.ok:
            self._mismatch = result.message
        return result


def _is_fatal(error: BaseException | None) -> bool:
    # What comes out of benchmark() happened in this very process: a sticky CUDA error, or,
    # since Helion 1.5, a worker that not even SIGKILL ends.
    return error is not None and (
        isinstance(error, BenchmarkSubprocessError) or match_unrecoverable_runtime_error(error)
    )


def _rebuilt(remote: Any) -> BaseException:
    """Return the exception of a compiler's process with the message that it had there."""
    error: BaseException = remote.to_exception()
    if len(error.args) != 1 and remote.traceback:
        # The message was made from the arguments by a class that is not known here.
        last_line = remote.traceback.strip().splitlines()[-1]
        error.args = (last_line.rpartition(f"{remote.exc_type}: ")[2],)
    return error
