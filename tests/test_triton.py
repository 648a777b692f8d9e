"""Plain Triton kernels: interpreted on the CPU, and compiled for a GPU that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import optuna
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, IntDistribution

triton = pytest.importorskip("triton", reason="needs Triton")

from optuna_lfbo.helion import KernelError  # noqa: E402
from optuna_lfbo.helion._compat_triton import config_of  # noqa: E402
from optuna_lfbo.triton import _listed, triton_objective  # noqa: E402
from tests.kernels import plain_triton as kernels  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna_lfbo.triton import TritonObjective

SPACE = {
    "BLOCK": CategoricalDistribution([48, 256, 1024]),
    "EXTRA": IntDistribution(0, 1),
    "num_warps": CategoricalDistribution([2, 4]),
}
CONFIGS = [
    triton.Config({"BLOCK": 1024, "EXTRA": 0}, num_warps=4, num_stages=2),
    triton.Config({"BLOCK": 256, "EXTRA": 0}, num_warps=2, num_stages=2),
]


def add_objective(space: Any = SPACE, **options: Any) -> TritonObjective:
    return triton_objective(
        kernels.interpreted(kernels.add_kernel),
        kernels.add_grid,
        kernels.add_args(),
        space,
        reference=kernels.add,
        **options,
    )


def new_study(**kwargs: Any) -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), **kwargs)


def measured(objective: TritonObjective, *params: dict[str, Any]) -> optuna.Study:
    study = new_study()
    for trial_params in params:
        study.enqueue_trial(trial_params)
    with objective:
        study.optimize(objective, n_trials=len(params), catch=objective.failures)
    return study


def statuses(study: optuna.Study) -> list[str]:
    return [trial.user_attrs["status"] for trial in study.trials]


def test_a_kernel_is_measured_and_checked() -> None:
    objective = add_objective(constraint=lambda params: params["num_warps"] == 4)
    study = measured(
        objective,
        {"BLOCK": 256, "EXTRA": 0, "num_warps": 4},
        {"BLOCK": 256, "EXTRA": 1, "num_warps": 4},
        {"BLOCK": 48, "EXTRA": 0, "num_warps": 4},
        {"BLOCK": 1024, "EXTRA": 0, "num_warps": 2},
        {"BLOCK": 256, "EXTRA": 0, "num_warps": 4},
    )
    assert statuses(study) == ["ok", "wrong_result", "runtime_error", "rejected", "duplicate"]
    wrong, broken = study.trials[1:3]
    assert wrong.user_attrs["error"].startswith("Tensor-likes are not close!")
    assert "arange's range must be a power of 2" in broken.user_attrs["error"]
    best = objective.best_config(study)
    assert isinstance(best, triton.Config)
    assert (best.kwargs, best.num_warps) == ({"BLOCK": 256, "EXTRA": 0}, 4)
    assert study.user_attrs["kernel"] == "add_kernel"
    assert study.user_attrs["args"][3] == 1000
    assert study.user_attrs["versions"]["triton"] == triton.__version__
    assert objective.study_name.startswith("add_kernel-1000-1000-1000-cpu-")


def test_the_arguments_stay_as_they_are() -> None:
    args = kernels.add_args()
    objective = triton_objective(
        kernels.interpreted(kernels.add_kernel), (1,), args, SPACE, reference=kernels.add
    )
    study = measured(objective, {"BLOCK": 1024, "EXTRA": 0, "num_warps": 4})
    assert statuses(study) == ["ok"]
    assert not args[2].any()


def test_a_kernel_may_work_in_place_and_call_others() -> None:
    def triple(x: torch.Tensor, n: int) -> None:
        x *= 3

    x = torch.linspace(1.0, 2.0, 1000)
    space = {"BLOCK": CategoricalDistribution([1024]), "FACTOR": IntDistribution(2, 3)}
    kernel = kernels.interpreted(kernels.scale_kernel)
    objective = triton_objective(kernel, (1,), (x, 1000), space, reference=triple)
    study = measured(objective, {"BLOCK": 1024, "FACTOR": 3}, {"BLOCK": 1024, "FACTOR": 2})
    assert statuses(study) == ["ok", "wrong_result"]


def test_tune_tries_the_configs_of_an_autotuner_first() -> None:
    kernel = triton.autotune(CONFIGS, key=["n"])(kernels.interpreted(kernels.add_kernel))
    args = kernels.add_args()
    objective = triton_objective(kernel, kernels.add_grid, args, reference=kernels.add)
    result = objective.tune(sampler=optuna.samplers.RandomSampler(seed=0), n_trials=4)
    assert {trial.user_attrs["status"] for trial in result.study.trials} <= {"ok", "duplicate"}
    first, second = (trial.params for trial in result.study.trials[:2])
    assert first == {"BLOCK": 1024, "EXTRA": 0, "num_warps": 4, "num_stages": 2}
    assert second == {"BLOCK": 256, "EXTRA": 0, "num_warps": 2, "num_stages": 2}
    assert isinstance(result.config, triton.Config)
    assert result.config.kwargs["EXTRA"] == 0
    # Four times as many program instances take an interpreter longer for sure.
    assert result.config.kwargs["BLOCK"] == 1024
    assert result.default_latency_ms is not None
    kernel.fn[kernels.add_grid](*args, **result.config.all_kwargs())
    torch.testing.assert_close(args[2], args[0] + args[1])


def test_a_list_of_configs_spans_a_space_and_seeds_it() -> None:
    configs = [*CONFIGS, triton.Config({"BLOCK": 512, "EXTRA": 0}, num_warps=4, maxnreg=64)]
    objective = add_objective(configs)
    study = new_study()
    objective.enqueue_seeds(study)
    seeds = [trial.system_attrs["fixed_params"] for trial in study.trials]
    common = {"EXTRA": 0, "num_warps": 4}
    assert seeds == [
        {"BLOCK": 1024, **common, "num_stages": 2, "maxnreg": None},
        {"BLOCK": 256, **common, "num_warps": 2, "num_stages": 2, "maxnreg": None},
        {"BLOCK": 512, **common, "num_stages": 3, "maxnreg": 64},
    ]
    with objective:
        study.optimize(objective, n_trials=4, catch=objective.failures)
    assert study.trials[3].distributions == {
        "BLOCK": CategoricalDistribution([256, 512, 1024]),
        "EXTRA": CategoricalDistribution([0]),
        "num_warps": CategoricalDistribution([2, 4]),
        "num_stages": CategoricalDistribution([2, 3]),
        "maxnreg": CategoricalDistribution([None, 64]),
    }


META = st.fixed_dictionaries(
    {"A": st.integers(1, 1024), "B": st.booleans(), "C": st.sampled_from(["tf32", "ieee", None])}
)
LISTED = st.builds(
    triton.Config,
    META,
    num_warps=st.sampled_from([1, 2, 4, 8]),
    num_stages=st.integers(1, 7),
    num_ctas=st.sampled_from([1, 2]),
    maxnreg=st.sampled_from([None, 64, 128]),
)


@given(st.lists(LISTED, min_size=1, max_size=8))
def test_every_config_of_a_list_is_in_its_space_and_comes_back(configs: list[Any]) -> None:
    space, known = _listed(configs)
    assert [config_of(params) for params in known] == configs
    for params in known:
        for name, value in params.items():
            choices = space[name].choices
            assert choices[choices.index(value)] == value
            assert len(set(choices)) == len(choices)
    stored = json.loads(json.dumps(known))
    assert [config_of(params) for params in stored] == configs


def test_a_study_of_another_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    study = new_study()
    objective = add_objective()
    objective.enqueue_seeds(study)
    add_objective().enqueue_seeds(study)
    monkeypatch.setattr(kernels, "SCALE", triton.language.constexpr(2))
    other = add_objective()
    with pytest.raises(ValueError, match="was made with another source_hash"):
        other.enqueue_seeds(study)
    assert other.study_name != objective.study_name


def test_a_helper_belongs_to_the_source_of_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def objective() -> TritonObjective:
        kernel = kernels.interpreted(kernels.scale_kernel)
        space = {"BLOCK": IntDistribution(1, 2), "FACTOR": IntDistribution(2, 3)}
        return triton_objective(kernel, (1,), (torch.ones(8), 8), space)

    def times(x: Any, factor: Any) -> Any:
        return factor * x

    before = objective().study_name
    monkeypatch.setattr(kernels, "times", kernels.interpreted(times))
    assert objective().study_name != before


@pytest.fixture
def hopper_grid(monkeypatch: pytest.MonkeyPatch) -> Any:
    from torch._subclasses.fake_tensor import FakeTensor
    from triton.runtime import driver

    # To be put back.
    monkeypatch.setattr(driver, "_active", None)
    monkeypatch.setattr(FakeTensor, "data_ptr", FakeTensor.data_ptr)
    from tests.kernels import fake_hopper

    driver.set_active(fake_hopper.FakeHopper())
    return fake_hopper.grid


def test_configurations_are_compiled_without_a_gpu_and_without_a_launch(
    hopper_grid: Any,
) -> None:
    tensors = [torch.zeros(128, 1024, dtype=torch.float16) for _ in range(3)]
    space = {
        "BLOCK": CategoricalDistribution([48, 128]),
        "BLOCK_K": CategoricalDistribution([128]),
        "num_stages": IntDistribution(1, 8),
    }
    kernel = triton.jit(kernels.gemm_kernel)
    study = measured(
        triton_objective(kernel, hopper_grid, (*tensors, 1024), space),
        {"BLOCK": 48, "BLOCK_K": 128, "num_stages": 1},
        {"BLOCK": 128, "BLOCK_K": 128, "num_stages": 8},
        {"BLOCK": 128, "BLOCK_K": 128, "num_stages": 1},
    )
    broken, greedy, sound = (trial.user_attrs for trial in study.trials)
    assert broken["status"] == "compile_error"
    assert broken["error"] == "CompilationError: arange's range must be a power of 2"
    assert greedy["status"] == "runtime_error"
    assert greedy["error"].startswith("OutOfResources: out of resource: shared memory")
    assert broken["measure_s"] == greedy["measure_s"] == 0
    # It was sent to be measured, where there is no such device either.
    assert sound["status"] == "runtime_error"
    assert sound["measure_s"] > 0


def test_configurations_with_the_same_code_and_grid_are_the_same_program(
    hopper_grid: Any,
) -> None:
    from optuna_lfbo.helion._compat_triton import packed
    from optuna_lfbo.helion._outlines import outlined
    from optuna_lfbo.helion._triton_program import TritonProgram

    kernel = triton.jit(kernels.add_kernel)
    program = TritonProgram(packed(kernel, hopper_grid), outlined(kernels.add_args()))
    common = {"BLOCK": 128, "EXTRA": 0}
    first, second, third = (
        program.build({**common, **other}).source
        # A kernel without a loop has no stages.
        for other in ({"num_stages": 1}, {"num_stages": 3}, {"num_warps": 8})
    )
    assert first == second != third
    elsewhere = TritonProgram(packed(kernel, (4,)), program.outlines)
    assert elsewhere.build({**common, "num_stages": 1}).source != first


def jitted() -> Any:
    return kernels.interpreted(kernels.add_kernel)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"fn": kernels.add}, TypeError, r"decorated with @triton\.jit, got <function add"),
        ({"args": torch.ones(2)}, TypeError, "args must be a tuple or list"),
        ({"args": (1, 2)}, TypeError, r"The 2 args and the parameters .* add_kernel\(x_ptr"),
        ({"space": {"BLOCK": [1, 2]}}, TypeError, r"Optuna distributions.* 'BLOCK': \[1, 2\]"),
        ({"space": None}, TypeError, "be a list of triton.Config, got None"),
        ({"space": {}}, ValueError, "space is empty"),
        ({"space": []}, ValueError, "space is empty"),
        ({"space": [{"BLOCK": 1}]}, TypeError, "must be a list of triton.Config, it has"),
        ({"grid": (0,)}, TypeError, r"one to three positive integers, got \(0,\)"),
        ({"grid": 4}, TypeError, "got 4"),
        ({"seeds": [{"BLOCK": 256}]}, ValueError, "must have exactly the names of the space"),
        ({"compile_timeout": 0}, ValueError, "compile_timeout=0: expected seconds"),
        ({"reference": 3}, TypeError, "reference=3: expected a function or None"),
        ({"rtol": -1}, ValueError, "rtol=-1: expected a number of 0 or more"),
    ],
)
def test_bad_arguments_are_named(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    given = {"fn": jitted(), "grid": (1,), "args": kernels.add_args(), "space": SPACE} | change
    with pytest.raises(error, match=message):
        triton_objective(**given)


def with_autotuner(**options: Any) -> Any:
    return triton.autotune(CONFIGS, key=["n"], **options)(jitted())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {"fn": with_autotuner(), "space": SPACE}, r"pass fn\.fn with another space"),
        (lambda: {"fn": with_autotuner(pre_hook=print)}, "pre_hook or post_hook"),
        (
            lambda: {"fn": with_autotuner(prune_configs_by={"early_config_prune": max})},
            "prune_configs_by",
        ),
        (
            lambda: {"fn": triton.heuristics({"EXTRA": max})(with_autotuner()), "space": SPACE},
            "triton.autotune below another decorator",
        ),
        (
            lambda: {"fn": jitted(), "space": [triton.Config({"BLOCK": 1}, pre_hook=print)]},
            "has a pre_hook",
        ),
        (
            lambda: {"fn": jitted(), "space": [*CONFIGS, triton.Config({"BLOCK": 1})]},
            "must have the same parameters",
        ),
    ],
)
def test_what_an_autotuner_does_beside_its_configs_is_refused(
    make: Callable[[], dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        triton_objective(**make(), grid=(1,), args=kernels.add_args())


def test_a_reference_that_writes_nothing_is_refused() -> None:
    def forgetful(x: torch.Tensor, y: torch.Tensor, out: torch.Tensor, n: int) -> torch.Tensor:
        return x + y

    objective = triton_objective(jitted(), (1,), kernels.add_args(), SPACE, reference=forgetful)
    with pytest.raises(ValueError, match="has to change at least one of the tensors"), objective:
        pass


def test_a_reference_that_fails_is_told() -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("no reference today")

    objective = triton_objective(jitted(), (1,), kernels.add_args(), SPACE, reference=broken)
    with pytest.raises(KernelError, match="ZeroDivisionError: no reference today"), objective:
        pass


def test_missing_triton_is_told_how_to_install() -> None:
    code = "import sys; sys.modules['triton'] = None; import optuna_lfbo.triton"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install triton" in result.stderr
