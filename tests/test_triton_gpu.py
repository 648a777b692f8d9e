"""What only a CUDA device shows of plain Triton kernels, callables and several shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, IntDistribution

triton = pytest.importorskip("triton", reason="needs Triton")

from optuna_lfbo.callables import callable_objective  # noqa: E402
from optuna_lfbo.helion import helion_multi_objective  # noqa: E402
from optuna_lfbo.triton import triton_objective  # noqa: E402
from tests.kernels import plain_triton as kernels  # noqa: E402
from tests.kernels import suite  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

N = 1 << 24


def test_a_plain_kernel_is_tuned() -> None:
    x, y = torch.rand(2, N, device="cuda")
    space = {
        "BLOCK": CategoricalDistribution([48, 64, 256, 1024, 4096]),
        "EXTRA": IntDistribution(0, 1),
        "num_warps": CategoricalDistribution([1, 4, 8]),
    }
    objective = triton_objective(
        triton.jit(kernels.add_kernel),
        lambda meta: (triton.cdiv(meta["n"], meta["BLOCK"]),),
        (x, y, torch.zeros_like(x), N),
        space,
        reference=kernels.add,
        seeds=[{"BLOCK": 64, "EXTRA": 0, "num_warps": 4}],
    )
    result = objective.tune(seed=0)
    trials = result.study.trials
    assert {trial.user_attrs["status"] for trial in trials} >= {"ok", "compile_error"}
    for trial in trials:
        if trial.params["BLOCK"] == 48:
            assert trial.user_attrs["status"] == "compile_error"
        elif trial.params["EXTRA"] == 1:
            # Results of clearly slower ones are not checked.
            is_wrong = trial.user_attrs["status"] == "wrong_result"
            assert is_wrong or trial.user_attrs.get("first_look")
    assert result.config.kwargs["EXTRA"] == 0
    assert result.speed_up is not None
    assert result.speed_up >= 1.0


def test_too_much_shared_memory_is_a_runtime_error() -> None:
    tensors = [torch.zeros(128, 1024, dtype=torch.float16, device="cuda") for _ in range(3)]
    space = {
        "BLOCK": CategoricalDistribution([128]),
        "BLOCK_K": CategoricalDistribution([128]),
        "num_stages": IntDistribution(1, 8),
    }
    kernel = triton.jit(kernels.gemm_kernel)
    objective = triton_objective(kernel, (1,), (*tensors, 1024), space)
    study = optuna.create_study()
    for stages in (8, 1):
        study.enqueue_trial({"BLOCK": 128, "BLOCK_K": 128, "num_stages": stages})
    with objective:
        study.optimize(objective, n_trials=2, catch=objective.failures)
    greedy, sound = (trial.user_attrs for trial in study.trials)
    assert greedy["status"] == "runtime_error"
    assert "out of resource" in greedy["error"]
    assert sound["status"] == "ok"


def test_a_callable_is_timed_by_the_device() -> None:
    def compile_fn(params: dict[str, Any]) -> Callable[..., torch.Tensor]:
        dtype = getattr(torch, params["dtype"])
        return lambda a, b: (a.to(dtype) @ b.to(dtype)).float()

    x, y = torch.randn(2, 2048, 2048, device="cuda")
    space = {"dtype": CategoricalDistribution(["float64", "bfloat16"])}
    objective = callable_objective(
        compile_fn, (x, y), space, reference=torch.matmul, rtol=0.05, atol=1.0
    )
    assert objective.tune(seed=0).config == {"dtype": "bfloat16"}


def test_one_config_for_several_shapes() -> None:
    arg_sets = [
        (torch.randn(shape, device="cuda", dtype=torch.bfloat16),)
        for shape in ((1024, 512), (8192, 4096))
    ]
    objective = helion_multi_objective(suite.triton(suite.softmax), arg_sets)
    result = objective.tune(seed=0, n_trials=30)
    assert result.latency_ms <= result.default_latency_ms * 1.05
    for (x,) in arg_sets:
        expected = torch.softmax(x, dim=1)
        actual = suite.triton(suite.softmax, config=result.config)(x)
        torch.testing.assert_close(actual, expected, rtol=0.05, atol=1e-3)
