"""Helion names that are private or have moved between releases 1.4 and 1.5.

The rest of the package speaks of Helion only through this module and the ``_compat_*`` beside
it: ``_compat_space`` has those around the search space, ``_compat_compile`` the compiling, and
``_compat_worker`` the measuring.
"""

# mypy: disable-error-code="import-untyped,misc"
# Helion ships annotations without a py.typed marker, so to mypy its classes are Any.

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, cast

from helion import Kernel
from helion._compat import get_device_name
from helion.autotuner.benchmark_provider import LocalBenchmarkProvider
from helion.autotuner.logger import AutotuningLogger
from helion.autotuner.metrics import AutotuneMetrics

from optuna_lfbo.helion._compat_space import (
    BoundKernel,
    Config,
    InvalidConfig,
    completed,
    screened,
)
from optuna_lfbo.helion._compat_worker import assert_close
from optuna_lfbo.helion._jobs import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    import torch

    Check: TypeAlias = Callable[[object, object], None]

__all__ = ["BoundKernel", "Config", "InvalidConfig", "Kernel", "completed", "screened"]

# Settings that change the code Helion generates from the same kernel source.
_CODEGEN_SETTINGS = (
    "backend",
    "dot_precision",
    "fast_math",
    "index_dtype",
    "pallas_interpret",
    "static_shapes",
)

_HELIONS_COMPILE_LIMIT_S = 60.0
_COMPILE_LIMIT_S = 15.0


def codegen_settings(kernel: Kernel) -> dict[str, str]:
    """Return the settings that change the code generated for ``kernel``, as texts."""
    return {name: str(getattr(kernel.settings, name, None)) for name in _CODEGEN_SETTINGS}


def device_name(device: torch.device) -> str:
    """Return the name of a device, such as "NVIDIA H100"."""
    return get_device_name(device) or str(device.type)


def reference_of(bound_kernel: BoundKernel, args: Sequence[object]) -> Reference:
    """Run the kernel once, as Helion's autotuner does, for what every result is compared with.

    Raises:
        Exception: The kernel does not compile or run, or the ``autotune_baseline_fn`` fails.
    """
    # A copy, for the kernel's settings are the user's.
    settings = copy.copy(bound_kernel.settings)
    settings.autotune_precompile = None
    spec = bound_kernel.config_spec
    log, metrics = AutotuningLogger(settings), AutotuneMetrics()
    provider = LocalBenchmarkProvider(bound_kernel, settings, spec, args, log, metrics)
    return Reference(
        args=args,
        mutated=tuple(provider.mutated_arg_indices),
        output=provider._baseline_output,
        args_after=provider._baseline_post_args,
        check=_check_of(provider),
        events=spec.backend.get_do_bench() is None,
    )


def _check_of(provider: LocalBenchmarkProvider) -> Check | None:
    settings = provider.settings
    if not settings.autotune_accuracy_check:
        return None
    if settings.autotune_baseline_accuracy_check_fn is not None:
        return cast("Check", settings.autotune_baseline_accuracy_check_fn)
    return functools.partial(
        assert_close,
        atol=provider._effective_atol,
        rtol=provider._effective_rtol,
        scale_atol=getattr(provider, "_scale_atol", False),
    )


def time_limits(bound_kernel: BoundKernel) -> tuple[float, float]:
    """Seconds for compiling and for measuring one configuration.

    Those of the kernel's settings, but what Helion gives to compilers by default is more than
    any good configuration needs.
    """
    settings = bound_kernel.settings
    compile_s = float(settings.autotune_compile_timeout)
    if compile_s == _HELIONS_COMPILE_LIMIT_S:
        compile_s = _COMPILE_LIMIT_S
    return compile_s, float(settings.autotune_benchmark_timeout)
