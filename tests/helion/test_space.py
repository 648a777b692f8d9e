from __future__ import annotations

from typing import Any

import helion
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from optuna_lfbo import LFBOSampler
from optuna_lfbo.helion import KernelSpace
from tests.kernels.platforms import HELION_1_4, PLATFORMS
from tests.kernels.suite import CASES, add, matmul, pallas, softmax, tensors, triton

MATRICES = ((256, 256), (256, 256))


@pytest.fixture(scope="module")
def space() -> KernelSpace:
    return matmul_space()


def matmul_space(**settings: Any) -> KernelSpace:
    return KernelSpace(triton(matmul, **settings).bind(tensors(*MATRICES)))


def softmax_space(**settings: Any) -> KernelSpace:
    return KernelSpace(pallas(softmax, **settings).bind(tensors((64, 8192))))


def test_optuna_suggests_every_parameter(space: KernelSpace) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    params = study.ask(space.distributions).params
    assert params.keys() == space.distributions.keys()
    assert isinstance(space.config(params), helion.Config)


def test_names_and_distributions_of_a_matmul(space: KernelSpace) -> None:
    distributions = space.distributions
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
    kernel = triton(add).bind(tensors((64, 128, 32), (64, 128, 32)))
    distributions = KernelSpace(kernel).distributions
    assert distributions["flatten_loops[0]"] == CategoricalDistribution((False, True))
    orders = ("0,1,2", "0,2,1", "1,0,2", "1,2,0", "2,0,1", "2,1,0")
    assert distributions["loop_orders[0]"] == CategoricalDistribution(orders)


def test_parameters_are_what_they_are_called(space: KernelSpace) -> None:
    params = space.params(space.default) | {
        "log2_block_sizes[1]": 7,
        "log2_num_warps": 3,
        "loop_orders[0]": "1,0",
        "load_eviction_policies[1]": "last",
        "pid_type": "persistent_blocked",
        "log2_num_sm_multiplier": 2,
    }
    config = space.config(params)
    assert config["block_sizes"] == [16, 128, 16]
    assert config["num_warps"] == 8
    assert config["loop_orders"] == [[1, 0]]
    assert config["load_eviction_policies"] == ["", "last"]
    assert config["pid_type"] == "persistent_blocked"
    assert config["num_sm_multiplier"] == 4


def test_parameters_that_are_switched_off_have_one_representative(space: KernelSpace) -> None:
    default = space.params(space.default)
    assert default["pid_type"] == "flat"
    assert space.canonical(default | {"log2_num_sm_multiplier": 2}) == default


def test_a_study_of_representatives_repeats_no_config() -> None:
    space = KernelSpace(pallas(matmul).bind(tensors(*MATRICES)))
    configs: list[helion.Config] = []

    def made_up_latency(trial: optuna.Trial) -> float:
        configs.append(space.config(trial.params))
        return 1.0 + sum(abs(size - 64) for size in configs[-1]["block_sizes"])

    def n_repeated(**kwargs: Any) -> int:
        configs.clear()
        study = optuna.create_study(sampler=LFBOSampler(seed=0, **kwargs))
        study.enqueue_trial(space.params(space.default))
        for _ in range(80):
            trial = study.ask(space.distributions)
            study.tell(trial, made_up_latency(trial))
        return len(configs) - len(set(configs))

    assert n_repeated() > 4, "else this test shows nothing"
    assert n_repeated(canonical=space.canonical) == 0


def test_a_persistent_reduction_is_the_longest_loop() -> None:
    kernel_space = KernelSpace(triton(softmax).bind(tensors((64, 8192))))
    persistent = kernel_space.params({"reduction_loops": [None]})
    assert persistent["log2_reduction_loops[0]"] == 13
    assert kernel_space.config(persistent)["reduction_loops"] == [None]


def test_a_partial_config_takes_defaults_for_the_rest(space: KernelSpace) -> None:
    params = space.params(helion.Config(block_sizes=[64, 64, 32]))
    expected = space.params(space.default) | {
        "log2_block_sizes[0]": 6,
        "log2_block_sizes[1]": 6,
        "log2_block_sizes[2]": 5,
    }
    assert params == expected


def test_a_config_outside_the_space_is_refused(space: KernelSpace) -> None:
    with pytest.raises(ValueError, match=r"log2_block_sizes\[0\] cannot be 9 .*\[4, 8\]"):
        space.params({"block_sizes": [512, 16, 16]})
    with pytest.raises(helion.exc.InvalidConfig, match="block_sizes"):
        space.params({"block_sizes": [16, 16, 17]})


def test_params_with_wrong_names_or_values_are_refused() -> None:
    kernel_space = softmax_space()
    (name,) = kernel_space.distributions
    with pytest.raises(
        ValueError, match=r"missing: \['log2_block_sizes\[0\]'\], unknown: \['x'\]"
    ):
        kernel_space.config({"x": 1})
    with pytest.raises(ValueError, match="cannot be 12 in this search space"):
        kernel_space.config({name: 12})


@pytest.mark.skipif(HELION_1_4, reason="Helion searches every key of Pallas there")
def test_an_entry_without_a_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^\{'pallas_internal_scratch': True\} cannot be expr"):
        softmax_space().params({"pallas_internal_scratch": True})


def test_pinned_keys_are_no_parameters() -> None:
    space = matmul_space(autotune_config_overrides={"num_warps": 8, "loop_orders": [[1, 0]]})
    assert not {"log2_num_warps", "loop_orders[0]"} & space.distributions.keys()
    assert space.default["num_warps"] == 8
    config = space.config(space.params({"num_stages": 3}))
    assert (config["num_warps"], config["loop_orders"]) == (8, [[1, 0]])


def test_a_config_that_contradicts_a_pinned_key_is_refused() -> None:
    space = matmul_space(autotune_config_overrides={"num_warps": 8})
    assert space.params({"num_warps": 8}) == space.params({})
    with pytest.raises(ValueError, match=r"\{'num_warps': 4\} .* \{'num_warps': 8\}"):
        space.params({"num_warps": 4})


def test_seeds_take_pinned_keys() -> None:
    space = matmul_space(
        autotune_config_overrides={"num_warps": 8},
        autotune_seed_configs=helion.Config(block_sizes=[64, 64, 32], num_warps=4),
    )
    assert [(seed["block_sizes"], seed["num_warps"]) for seed in space.seeds] == [
        ([16, 16, 16], 8),
        ([64, 64, 32], 8),
    ]


@pytest.mark.parametrize(
    "seeds",
    [
        helion.Config(block_sizes=[16]),
        {"block_sizes": [16]},
        [helion.Config(block_sizes=[16]), {"block_sizes": [16]}],
        [helion.Config(block_sizes=[16]), helion.Config(block_sizes=[16, 16])],
    ],
    ids=["one", "mapping", "repeated", "one of them invalid"],
)
def test_seeds_of_the_user_come_after_the_default(seeds: Any) -> None:
    space = softmax_space(autotune_seed_configs=seeds)
    assert [config["block_sizes"] for config in space.seeds] == [[32], [16]]


def test_a_seed_outside_the_range_of_the_search_extends_it() -> None:
    seed = helion.Config(block_sizes=[512, 16, 16], num_stages=9)
    space = matmul_space(autotune_seed_configs=seed)
    assert space.distributions["log2_block_sizes[0]"] == IntDistribution(4, 9)
    assert space.distributions["num_stages"] == IntDistribution(1, 9)
    assert space.config(space.params(seed))["block_sizes"] == [512, 16, 16]


def test_only_persistent_kernels_if_they_are_forced() -> None:
    space = matmul_space(autotune_force_persistent=True)
    choices = ("persistent_blocked", "persistent_interleaved")
    assert space.distributions["pid_type"] == CategoricalDistribution(choices)
    assert space.default["pid_type"] == "persistent_blocked"


def test_control_files_are_searched_and_the_default_has_none() -> None:
    space = matmul_space(autotune_search_acf=["fast.acf"])
    assert space.distributions["advanced_controls_file"] == CategoricalDistribution(
        ("fast.acf", "")
    )
    assert space.default["advanced_controls_file"] == ""
    assert space.params({"num_stages": 2})["advanced_controls_file"] == ""


def test_the_seeds_of_the_compiler_follow_the_default() -> None:
    platform, case = PLATFORMS["triton-mi300"], CASES["long_sum"]
    with platform.simulated():
        bound = platform.bind(case)
        default, *others = KernelSpace(bound).seeds
        assert default["block_sizes"] == bound.config_spec.default_config()["block_sizes"]
        assert others
        bound = platform.bind(case, disable_autotuner_heuristics=True)
        assert KernelSpace(bound).seeds == [default]


def test_a_default_that_the_compiler_promotes_is_in_the_space() -> None:
    # It has blocks of one row, which Helion's own searches do not draw.
    platform = PLATFORMS["triton-hopper"]
    with platform.simulated():
        space = KernelSpace(platform.bind(CASES["embedding"]))
        assert space.default["block_sizes"][0] == 1
        assert space.config(space.params(space.default)) == space.default


def changes(
    before: dict[str, Any], space: KernelSpace, configs: list[helion.Config]
) -> list[dict[str, Any]]:
    """What differs in each of the configurations, before and after."""
    return [
        {name: (before[name], value) for name, value in after.items() if value != before[name]}
        for after in map(space.params, configs)
    ]


def test_neighbours_are_single_steps(space: KernelSpace) -> None:
    before = space.params({"block_sizes": [32, 32, 32], "num_stages": 5})
    near = changes(before, space, space.neighbours(space.config(before)))
    assert {"log2_block_sizes[0]": (5, 6)} in near
    assert {"log2_block_sizes[1]": (5, 4)} in near
    assert {"num_stages": (5, 4)} in near
    assert {"log2_block_sizes[0]": (5, 6), "log2_block_sizes[1]": (5, 4)} not in near


def test_tiles_of_another_shape_may_have_fewer_stages(space: KernelSpace) -> None:
    before = space.params({"block_sizes": [32, 32, 32], "num_stages": 5})
    near = changes(before, space, space.reshaped(space.config(before)))
    first, second, stages = "log2_block_sizes[0]", "log2_block_sizes[1]", "num_stages"
    warps = {"log2_num_warps": (before["log2_num_warps"], before["log2_num_warps"] + 1)}
    larger = {first: (5, 6)}
    for shape in (larger, larger | {second: (5, 4)}, larger | {second: (5, 6)}):
        assert shape in near
        assert [shape | {stages: (5, n)} in near for n in (1, 2, 3, 4)] == [False, *[True] * 3]
    assert larger | warps in near
    assert larger | {second: (5, 6), stages: (5, 3)} | warps in near
    assert larger | {second: (5, 4)} | warps not in near
    assert {first: (5, 4), second: (5, 4)} not in near
    assert {second: (5, 4)} not in near


def test_detours_begin_with_another_way_to_access_memory() -> None:
    platform = PLATFORMS["triton-hopper"]
    with platform.simulated():
        space = KernelSpace(platform.bind(CASES["matmul"]))
        near, before = space.neighbours(space.default), space.default["indexing"]
        others = space.reaccessed(space.default)
        assert others == [other for other in near if other["indexing"] != before] != []
        for other in others:
            pairs = space.steps_from_both(space.default, other)
            # Helion drops what has no effect, so some steps lead nowhere.
            ours = {step for step, _ in pairs} - {space.default}
            theirs = {same_step for _, same_step in pairs} - {other}
            assert ours == {step for step in near if step["indexing"] == before}
            assert theirs <= set(space.neighbours(other))
            assert {tuple(step["indexing"]) for step in theirs} == {tuple(other["indexing"])}


def test_what_is_pinned_stays_when_tiles_change() -> None:
    pinned = matmul_space(autotune_config_overrides={"num_stages": 2})
    shapes = pinned.reshaped(pinned.default)
    assert shapes
    assert {shape["num_stages"] for shape in shapes} == {2}
    fixed = matmul_space(autotune_config_overrides={"block_sizes": [16, 16, 16]})
    assert fixed.reshaped(fixed.default) == []
