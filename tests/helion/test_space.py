from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Any

import helion
import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, IntDistribution

from optuna_lfbo import LFBOSampler
from optuna_lfbo.helion import KernelSpace, _compat
from tests.kernels.suite import KERNELS, matmul, pallas, softmax, tensors, triton

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

BACKENDS = {"triton": triton, "pallas": pallas}
CASES = [(backend, kernel) for backend in BACKENDS for kernel in KERNELS]


@cache
def bound(backend: str, name: str) -> Any:
    fn, shapes = KERNELS[name]
    return BACKENDS[backend](fn).bind(tensors(*shapes))


@cache
def space(backend: str, name: str) -> KernelSpace:
    return KernelSpace(bound(backend, name))


def values_of(distribution: BaseDistribution) -> st.SearchStrategy[Any]:
    if isinstance(distribution, IntDistribution):
        return st.integers(distribution.low, distribution.high)
    assert isinstance(distribution, CategoricalDistribution)
    return st.sampled_from(distribution.choices)


def params_of(kernel_space: KernelSpace) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {name: values_of(d) for name, d in kernel_space.distributions.items()}
    )


@pytest.mark.parametrize(("backend", "name"), CASES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_config_of_params_survives_the_round_trip(
    backend: str, name: str, data: st.DataObject
) -> None:
    kernel_space = space(backend, name)
    config = kernel_space.config(data.draw(params_of(kernel_space)))
    assert kernel_space.config(kernel_space.params(config)) == config


@pytest.mark.parametrize(("backend", "name"), CASES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_representative_is_of_the_same_config(
    backend: str, name: str, data: st.DataObject
) -> None:
    kernel_space = space(backend, name)
    params = data.draw(params_of(kernel_space))
    canonical = kernel_space.canonical(params)
    for name_, distribution in kernel_space.distributions.items():
        assert distribution._contains(distribution.to_internal_repr(canonical[name_]))
    assert kernel_space.config(canonical) == kernel_space.config(params)
    assert kernel_space.canonical(canonical) == canonical
    assert kernel_space.params(kernel_space.config(params)) == canonical


def test_parameters_that_are_switched_off_have_one_representative() -> None:
    kernel_space = space("triton", "matmul")
    default = kernel_space.params(kernel_space.default)
    assert default["pid_type"] == "flat"
    assert kernel_space.canonical(default | {"log2_num_sm_multiplier": 2}) == default


def test_a_study_of_representatives_repeats_no_config() -> None:
    kernel_space = space("pallas", "matmul")
    configs: list[helion.Config] = []

    def made_up_latency(trial: optuna.Trial) -> float:
        configs.append(kernel_space.config(kernel_space.suggest(trial)))
        return 1.0 + sum(abs(size - 64) for size in configs[-1]["block_sizes"])

    def n_repeated(**kwargs: Any) -> int:
        configs.clear()
        study = optuna.create_study(sampler=LFBOSampler(seed=0, **kwargs))
        study.enqueue_trial(kernel_space.params(kernel_space.default))
        study.optimize(made_up_latency, n_trials=40)
        return len(configs) - len(set(configs))

    assert n_repeated() > 4, "else this test shows nothing"
    assert n_repeated(canonical=kernel_space.canonical) == 0


@pytest.mark.parametrize(("backend", "name"), CASES)
def test_what_helion_generates_survives_the_round_trip(backend: str, name: str) -> None:
    kernel_space = space(backend, name)
    generation = bound(backend, name).config_spec.create_config_generation()
    random.seed(0)
    for _ in range(50):
        config = generation.random_config()
        assert kernel_space.config(kernel_space.params(config)) == config


@pytest.mark.parametrize(("backend", "name"), CASES)
def test_seeds_start_with_the_default_and_lie_in_the_space(backend: str, name: str) -> None:
    kernel_space = space(backend, name)
    assert kernel_space.seeds[0] == kernel_space.default
    assert kernel_space.default == bound(backend, name).config_spec.default_config()
    assert len(set(kernel_space.seeds)) == len(kernel_space.seeds)
    for seed in kernel_space.seeds:
        assert kernel_space.config(kernel_space.params(seed)) == seed


@pytest.mark.parametrize(("backend", "name"), CASES)
def test_optuna_suggests_every_parameter(backend: str, name: str) -> None:
    kernel_space = space(backend, name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    params = kernel_space.suggest(trial)
    assert trial.distributions == kernel_space.distributions
    assert isinstance(kernel_space.config(params), helion.Config)


def test_names_and_distributions_of_a_matmul() -> None:
    distributions = space("triton", "matmul").distributions
    assert distributions["log2_block_sizes[0]"] == IntDistribution(4, 8)
    assert distributions["log2_num_warps"] == IntDistribution(0, 5)
    assert distributions["num_stages"] == IntDistribution(1, 8)
    assert distributions["log2_l2_groupings[0]"] == IntDistribution(0, 6)
    assert distributions["loop_orders[0]"] == CategoricalDistribution(("0,1", "1,0"))
    assert distributions["load_eviction_policies[1]"] == CategoricalDistribution(
        ("", "first", "last")
    )
    choices = ("flat", "persistent_blocked", "persistent_interleaved")
    assert distributions["pid_type"] == CategoricalDistribution(choices)


def test_names_of_a_pointwise_kernel_with_a_flattened_loop() -> None:
    distributions = space("triton", "add").distributions
    assert distributions["flatten_loops[0]"] == CategoricalDistribution((False, True))
    orders = ("0,1,2", "0,2,1", "1,0,2", "1,2,0", "2,0,1", "2,1,0")
    assert distributions["loop_orders[0]"] == CategoricalDistribution(orders)


def test_parameters_are_what_they_are_called() -> None:
    kernel_space = space("triton", "matmul")
    params = kernel_space.params(kernel_space.default) | {
        "log2_block_sizes[1]": 7,
        "log2_num_warps": 3,
        "loop_orders[0]": "1,0",
        "load_eviction_policies[1]": "last",
        "pid_type": "persistent_blocked",
        "log2_num_sm_multiplier": 2,
    }
    config = kernel_space.config(params)
    assert config["block_sizes"] == [16, 128, 16]
    assert config["num_warps"] == 8
    assert config["loop_orders"] == [[1, 0]]
    assert config["load_eviction_policies"] == ["", "last"]
    assert config["pid_type"] == "persistent_blocked"
    assert config["num_sm_multiplier"] == 4


def test_a_persistent_reduction_is_the_longest_loop() -> None:
    kernel_space = space("triton", "softmax")
    persistent = kernel_space.params({"reduction_loops": [None]})
    assert persistent["log2_reduction_loops[0]"] == 13
    assert kernel_space.config(persistent)["reduction_loops"] == [None]


def test_a_partial_config_takes_defaults_for_the_rest() -> None:
    kernel_space = space("triton", "matmul")
    params = kernel_space.params(helion.Config(block_sizes=[64, 64, 32]))
    expected = kernel_space.params(kernel_space.default) | {
        "log2_block_sizes[0]": 6,
        "log2_block_sizes[1]": 6,
        "log2_block_sizes[2]": 5,
    }
    assert params == expected


def test_a_config_outside_the_space_is_refused() -> None:
    kernel_space = space("triton", "matmul")
    with pytest.raises(ValueError, match=r"log2_block_sizes\[0\] cannot be 9 .*\[4, 8\]"):
        kernel_space.params({"block_sizes": [512, 16, 16]})
    with pytest.raises(_compat.InvalidConfig, match="block_sizes"):
        kernel_space.params({"block_sizes": [16, 16, 17]})


def test_params_with_wrong_names_or_values_are_refused() -> None:
    kernel_space = space("pallas", "softmax")
    (name,) = kernel_space.distributions
    with pytest.raises(
        ValueError, match=r"missing: \['log2_block_sizes\[0\]'\], unknown: \['x'\]"
    ):
        kernel_space.config({"x": 1})
    with pytest.raises(ValueError, match="cannot be 12 in this search space"):
        kernel_space.config({name: 12})


def test_pinned_keys_are_no_parameters() -> None:
    kernel = triton(matmul, autotune_config_overrides={"num_warps": 8})
    kernel_space = KernelSpace(kernel.bind(tensors((256, 256), (256, 256))))
    assert "log2_num_warps" not in kernel_space.distributions
    assert kernel_space.default["num_warps"] == 8
    assert kernel_space.config(kernel_space.params({"num_stages": 3}))["num_warps"] == 8


def test_seeds_of_the_user_come_after_the_default() -> None:
    seed = helion.Config(block_sizes=[16])
    kernel = pallas(softmax, autotune_seed_configs=[seed, seed])
    kernel_space = KernelSpace(kernel.bind(tensors((64, 8192))))
    assert [config["block_sizes"] for config in kernel_space.seeds] == [[32], [16]]
