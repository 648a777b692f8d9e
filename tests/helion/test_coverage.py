"""Nothing that the installed Helion defines for Triton or Pallas is left without parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from helion.autotuner import config_fragment
from helion.autotuner.config_fragment import ConfigSpecFragment, ListOf
from helion.autotuner.config_spec import BACKEND_TUNABLE_KEYS, VALID_KEYS

from optuna_lfbo.helion import KernelSpace
from tests.helion.spaces import SUPPORTED, bound_kernel
from tests.kernels.platforms import PLATFORMS
from tests.kernels.suite import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

UNREACHABLE_FRAGMENTS = {
    "NumThreadsFragment": "only the CuTe and Metal backends have threads to count",
}
UNREACHABLE_KEYS = {
    "pallas_internal_scratch": "Helion takes it from a configuration, but does not search it",
}


@pytest.fixture(scope="module")
def surface() -> dict[str, dict[str, set[str]]]:
    """Keys that can be set, keys with parameters, and fragment classes, for each platform."""
    found = {
        platform: {"possible": set(), "mapped": set(), "fragments": set()}
        for platform in PLATFORMS
    }
    for platform, name in SUPPORTED:
        with bound_kernel(platform, name) as bound:
            add_to(found[platform], bound)
    for platform in ("triton-hopper", "triton-mi300"):
        with PLATFORMS[platform].simulated():
            settings = {"autotune_search_acf": ["fast.acf"]}
            add_to(found[platform], PLATFORMS[platform].bind(CASES["add"], **settings))
    return found


def add_to(found: dict[str, set[str]], bound: Any) -> None:
    space = KernelSpace(bound)
    spec = bound.config_spec
    keys = VALID_KEYS | BACKEND_TUNABLE_KEYS
    found["possible"].update(key for key in keys if spec.supports_config_key(key))
    found["possible"].update(key for key, *_ in spec.flat_key_layout())
    found["mapped"].update(map(key_of, space.distributions))
    found["fragments"].update(fragments_of(spec))


def key_of(parameter: str) -> str:
    return parameter.removeprefix("log2_").partition("[")[0]


def fragments_of(spec: Any) -> Iterator[str]:
    for fragment in spec.create_config_generation().flat_spec:
        yield type(fragment).__name__
        if isinstance(fragment, ListOf):
            yield type(fragment.inner).__name__


def fragment_classes() -> set[str]:
    """The names of Helion's fragment classes that have values."""
    return {
        name
        for name, cls in inspect.getmembers(config_fragment, inspect.isclass)
        if issubclass(cls, ConfigSpecFragment) and cls.random is not ConfigSpecFragment.random
    }


@pytest.mark.parametrize("backend", ["triton", "pallas"])
def test_every_key_is_a_parameter_of_some_kernel(
    surface: dict[str, dict[str, set[str]]], backend: str
) -> None:
    platforms = [found for name, found in surface.items() if name.startswith(backend)]
    possible = set().union(*(found["possible"] for found in platforms))
    mapped = set().union(*(found["mapped"] for found in platforms))
    assert possible - mapped == possible & UNREACHABLE_KEYS.keys()


def test_every_fragment_class_is_in_the_space_of_a_kernel(
    surface: dict[str, dict[str, set[str]]],
) -> None:
    found = set().union(*(platform["fragments"] for platform in surface.values()))
    assert fragment_classes() - found == UNREACHABLE_FRAGMENTS.keys()


@pytest.mark.parametrize(
    ("platform", "keys"),
    [
        ("triton-hopper", {"maxnreg", "indexing", "atomic_indexing", "load_eviction_policies"}),
        ("triton-blackwell", {"range_warp_specializes", "epilogue_subtile"}),
        (
            "triton-mi300",
            {"waves_per_eu", "matrix_instr_nonkdim", "xcd_remap", "store_cache_modifiers"},
        ),
        ("pallas", {"pallas_loop_type", "pallas_worklist_grouping"}),
    ],
)
def test_a_device_has_the_keys_it_is_known_for(
    surface: dict[str, dict[str, set[str]]], platform: str, keys: set[str]
) -> None:
    assert keys <= surface[platform]["mapped"]
