"""Helion's private or moving names around the search space (``ConfigSpec``)."""

# mypy: disable-error-code="import-untyped,misc"
# Helion ships annotations without a py.typed marker, so to mypy its classes are Any.

from __future__ import annotations

import contextlib
import copy
import itertools
import operator
import random
from typing import TYPE_CHECKING, Any, TypeAlias

from helion import Config
from helion.autotuner.base_search import normalize_autotune_seed_configs
from helion.autotuner.config_fragment import (
    BooleanFragment,
    EnumFragment,
    IntegerFragment,
    ListOf,
    NumThreadsFragment,
    PermutationFragment,
    PowerOfTwoFragment,
)
from helion.exc import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "BooleanFragment",
    "BoundKernel",
    "Config",
    "EnumFragment",
    "IntegerFragment",
    "InvalidConfig",
    "ListOf",
    "NumThreadsFragment",
    "PermutationFragment",
    "PowerOfTwoFragment",
]

BoundKernel: TypeAlias = Any
ConfigGeneration: TypeAlias = Any


def config_generation(bound_kernel: BoundKernel) -> ConfigGeneration:
    """Return the flat view of the search space, made as Helion's own searches make it."""
    settings = bound_kernel.settings
    return bound_kernel.config_spec.create_config_generation(
        overrides=settings.autotune_config_overrides or None,
        advanced_controls_files=settings.autotune_search_acf or None,
    )


def searched_fragments(generation: ConfigGeneration) -> Iterator[tuple[str, int, Any]]:
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


def default_config(bound_kernel: BoundKernel) -> Config:
    """Return the configuration that Helion runs without autotuning."""
    default = bound_kernel.config_spec.default_config()
    if bound_kernel.settings.autotune_search_acf:
        # Left out, it would be read as the first of the files to search.
        default.config["advanced_controls_file"] = ""
    return default


def completed(bound_kernel: BoundKernel, config: Mapping[str, object]) -> Config:
    """Return ``config`` with defaults for what it leaves out, checked by Helion.

    Raises:
        InvalidConfig: It is not a configuration of this kernel.
    """
    return normalized(bound_kernel, {**default_config(bound_kernel), **config})


def normalized(bound_kernel: BoundKernel, config: Mapping[str, object]) -> Config:
    """Return ``config`` as Helion writes it.

    Raises:
        InvalidConfig: It is not a configuration of this kernel.
    """
    copied = Config.from_dict(copy.deepcopy(dict(config)))
    bound_kernel.config_spec.normalize(copied)
    return copied


def seed_configs(bound_kernel: BoundKernel, generation: ConfigGeneration) -> list[Config]:
    """Return the default, the compiler's and the user's seeds, each once."""
    user_seeds = normalize_autotune_seed_configs(bound_kernel.settings)
    pairs = [
        generation.canonicalize_flat(generation.flatten(default_config(bound_kernel))),
        *generation.seed_flat_config_pairs(),
        *generation.user_seed_flat_config_pairs(user_seeds),
    ]
    return list(dict.fromkeys(config for _, config in pairs))


def random_configs(generation: ConfigGeneration, n: int, seed: int | None) -> list[Config]:
    """Return some ``n`` configurations as Helion's own searches begin with.

    They are not uniform over the search space: Helion prefers values that tend to work.
    """
    # Helion draws from the module's generator, which is not ours to change.
    state = random.getstate()
    random.seed(seed)
    try:
        return list(generation.random_population(n))
    finally:
        random.setstate(state)


def neighbours(generation: ConfigGeneration, flat: list[object]) -> Iterator[Config]:
    """Yield what a step of Helion's ``PatternSearch`` in each entry makes of a configuration."""
    for _, index, value in _steps(generation, flat):
        yield from _changed(generation, flat, {index: value})


def reaccessed(generation: ConfigGeneration, flat: list[object]) -> Iterator[Config]:
    """Yield those ``neighbours`` that access memory in another way."""
    for name, index, value in _steps(generation, flat):
        if name.startswith("indexing"):
            yield from _changed(generation, flat, {index: value})


def steps_from_both(
    generation: ConfigGeneration, flat: list[object], other: list[object]
) -> Iterator[tuple[Config, Config]]:
    """Yield for each step of ``neighbours`` in what both have in common where it leads them."""
    for _, index, value in _steps(generation, flat):
        if flat[index] == other[index]:
            ours, theirs = (_changed(generation, one, {index: value}) for one in (flat, other))
            # It may lead one of them nowhere.
            yield from zip(ours, theirs, strict=False)


def reshaped(generation: ConfigGeneration, flat: list[Any]) -> Iterator[Config]:
    """Yield configurations with a larger block, alone or with a larger or smaller other one.

    Most of these need more shared memory, so there is each with fewer stages, too, down to half
    of them: what is more than fits fails before it is run, and fewer than fit are slower. Tiles
    that only grow may keep more warps at work.
    """
    steps = list(_steps(generation, flat))
    blocks = [step for step in steps if step[1] in generation.block_size_indices]
    larger = [{index: value} for _, index, value in blocks if value > flat[index]]
    smaller = [{index: value} for _, index, value in blocks if value < flat[index]]
    grown = [*larger, *itertools.starmap(operator.or_, itertools.combinations(larger, 2))]
    exchanged = [up | down for up in larger for down in smaller if up.keys() != down.keys()]
    more_warps = [
        {index: value}
        for name, index, value in steps
        if name == "num_warps" and value > flat[index]
    ]
    stages = [
        {index: n}
        for name, index, _ in searched_fragments(generation)
        if name == "num_stages"
        for n in range(flat[index], max(1, flat[index] // 2) - 1, -1)
    ]
    tiles = [*grown, *exchanged, *(tile | warps for warps in more_warps for tile in grown)]
    for tile, depth in itertools.product(tiles, stages or [{}]):
        yield from _changed(generation, flat, tile | depth)


def _steps(generation: ConfigGeneration, flat: list[Any]) -> Iterator[tuple[str, int, Any]]:
    """Yield the steps of Helion's ``PatternSearch``: the slot's name, its index, its new value."""
    for name, index, fragment in searched_fragments(generation):
        for value in fragment.pattern_neighbors(flat[index]):
            yield name, index, value


def _changed(
    generation: ConfigGeneration, flat: list[Any], changes: Mapping[int, object]
) -> Iterator[Config]:
    """Yield the configuration with other entries, if there is one."""
    with contextlib.suppress(InvalidConfig):
        yield generation.unflatten([changes.get(i, copy.deepcopy(v)) for i, v in enumerate(flat)])


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
