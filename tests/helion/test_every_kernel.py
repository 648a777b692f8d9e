"""What holds for every kernel of the suite on every platform."""

from __future__ import annotations

import copy
import functools
import json
import random

import helion
import pytest
import torch
from hypothesis import given, settings

from optuna_lfbo.helion import KernelSpace
from tests.helion.spaces import SUPPORTED, bound_kernel, params_of, space_of
from tests.kernels.platforms import PLATFORMS
from tests.kernels.suite import CASES

UNSUPPORTED = [
    (platform, name) for name, case in CASES.items() for platform in sorted(case.unsupported)
]


def n_examples(platform: str) -> int:
    # 500 on GPUs for each kernel; without one, and for Pallas, there is less to choose.
    counts = {"triton-hopper": 400, "triton-blackwell": 100, "triton-mi300": 25, "pallas": 100}
    return counts.get(platform, 10)


@pytest.mark.parametrize(("platform", "name"), SUPPORTED)
def test_params_make_a_config_that_survives_the_round_trip(platform: str, name: str) -> None:
    with bound_kernel(platform, name) as bound:
        space = KernelSpace(bound)

        @settings(max_examples=n_examples(platform))
        @given(params=params_of(space))
        def check(params: dict[str, object]) -> None:
            config = space.config(params)
            bound.config_spec.normalize(copy.deepcopy(config))
            canonical = space.params(config)
            assert space.config(canonical) == config
            assert space.canonical(params) == canonical
            for parameter, distribution in space.distributions.items():
                assert distribution._contains(distribution.to_internal_repr(canonical[parameter]))

        check()


@pytest.mark.parametrize(("platform", "name"), SUPPORTED)
def test_what_helion_generates_survives_the_round_trip(platform: str, name: str) -> None:
    random.seed(0)
    with bound_kernel(platform, name) as bound:
        space = KernelSpace(bound)
        generation = bound.config_spec.create_config_generation()
        for _ in range(n_examples(platform)):
            config = generation.random_config()
            stored = json.loads(json.dumps(config.config))
            assert space.config(space.params(stored)) == config


def without_nones(config: helion.Config) -> dict[str, object]:
    return {key: value for key, value in config.items() if value is not None}


@pytest.mark.parametrize(("platform", "name"), SUPPORTED)
def test_seeds_start_with_the_default_and_lie_in_the_space(platform: str, name: str) -> None:
    with bound_kernel(platform, name) as bound:
        space = KernelSpace(bound)
        assert space.seeds[0] == space.default
        assert without_nones(space.default) == without_nones(bound.config_spec.default_config())
        assert len(set(space.seeds)) == len(space.seeds)
        for seed in space.seeds:
            assert space.config(space.params(seed)) == seed


def run(name: str) -> None:
    """Compare the default configuration's result with the reference's, in the interpreter."""
    with space_of("pallas", name) as space:
        case = CASES[name]
        kernel = PLATFORMS["pallas"].kernel(case, config=space.default)
        actual = kernel(*case.make_args("cpu"))
        expected = case.reference(*case.make_args("cpu"))
        torch.testing.assert_close(actual, expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("name", [name for platform, name in SUPPORTED if platform == "pallas"])
def test_the_kernel_computes_what_its_reference_does(name: str) -> None:
    run(name)


@pytest.mark.parametrize(("platform", "name"), UNSUPPORTED)
def test_what_is_called_unsupported_is_so(platform: str, name: str) -> None:
    attempt = run if platform == "pallas" else functools.partial(bind, platform)
    with pytest.raises((helion.exc.BaseError, AssertionError)):
        attempt(name)


def bind(platform: str, name: str) -> None:
    with bound_kernel(platform, name):
        pass
