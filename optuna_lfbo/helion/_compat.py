"""Every Helion name that is private or has moved between releases 1.4 and 1.5.

The rest of the package speaks of Helion only through this module.
"""

# mypy: disable-error-code="import-untyped,misc"
# Helion ships annotations without a py.typed marker, so to mypy its classes are Any.

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from helion import Config, Kernel
from helion._compat import get_device_name
from helion.autotuner.base_search import normalize_autotune_seed_configs
from helion.autotuner.benchmark_provider import LocalBenchmarkProvider
from helion.autotuner.config_fragment import (
    BooleanFragment,
    EnumFragment,
    IntegerFragment,
    ListOf,
    NumThreadsFragment,
    PermutationFragment,
    PowerOfTwoFragment,
)
from helion.autotuner.logger import AutotuningLogger
from helion.autotuner.metrics import AutotuneMetrics
from helion.exc import InvalidConfig

from optuna_lfbo.helion._compat_worker import assert_close
from optuna_lfbo.helion._jobs import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Check: TypeAlias = Callable[[object, object], None]

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

_HELIONS_COMPILE_LIMIT_S = 60.0
_COMPILE_LIMIT_S = 15.0


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
