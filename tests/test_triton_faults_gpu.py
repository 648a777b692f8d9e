"""A Triton kernel whose configurations fail on the device itself."""

# mypy: ignore-errors
# ruff: noqa: N803

from __future__ import annotations

from typing import Any

import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution

triton = pytest.importorskip("triton", reason="needs Triton")
tl = pytest.importorskip("triton.language")

from optuna_lfbo.callables import callable_objective  # noqa: E402
from optuna_lfbo.triton import triton_objective  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

N = 1 << 22
EXPECTED = {
    "none": "ok",
    "wrong": "wrong_result",
    "does_not_compile": "compile_error",
    "reads_outside": "runtime_error",
    "hangs": "benchmark_timeout",
}
FAULTS = list(EXPECTED)


@triton.jit
def copy_kernel(x_ptr, zero_ptr, out_ptr, n, FAULT: tl.constexpr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    x = tl.load(x_ptr + offsets, mask=mask)
    if FAULT == 1:
        x += 1.0
    if FAULT == 2:
        tl.static_assert(False, "asked not to compile")
    if FAULT == 3:
        x += tl.load(x_ptr + (offsets.to(tl.int64) + (1 << 42)))
    if FAULT == 4:
        going = 0
        while going == 0:
            going = tl.load(zero_ptr, volatile=True)
    tl.store(out_ptr + offsets, x, mask=mask)


def grid(meta: dict[str, Any]) -> tuple[int]:
    return (triton.cdiv(N, meta["BLOCK"]),)


def reference(x: torch.Tensor, zero: torch.Tensor, out: torch.Tensor, n: int) -> None:
    out.copy_(x)


def test_faults_on_the_device_are_told_apart_and_survived() -> None:
    x = torch.randn(N, device="cuda")
    zero = torch.zeros(1, dtype=torch.int32, device="cuda")
    objective = triton_objective(
        copy_kernel,
        grid,
        (x, zero, torch.zeros_like(x), N),
        {
            "FAULT": CategoricalDistribution(list(range(len(FAULTS)))),
            "BLOCK": CategoricalDistribution([256, 1024, 4096]),
            "num_warps": CategoricalDistribution([2, 4, 8]),
        },
        reference=reference,
        seeds=[{"FAULT": i, "BLOCK": 1024, "num_warps": 4} for i in range(len(FAULTS))],
        benchmark_timeout=5.0,
    )
    result = objective.tune(sampler=optuna.samplers.TPESampler(seed=0), n_trials=16)
    seeds = result.study.trials[: len(FAULTS)]
    assert {FAULTS[t.params["FAULT"]]: t.user_attrs["status"] for t in seeds} == EXPECTED
    for trial in result.study.trials:
        status = trial.user_attrs["status"]
        assert status in (EXPECTED[FAULTS[trial.params["FAULT"]]], "ok", "duplicate")
    assert result.config.all_kwargs()["FAULT"] == 0
    # The parent's own access to the device is as good as before.
    assert float(x.sum()) == pytest.approx(float(x.double().sum()), abs=10.0)


def test_a_program_that_takes_all_memory_is_survived() -> None:
    x = torch.randn(N, device="cuda")

    def compile_fn(params: dict[str, Any]) -> Any:
        def take_all(x: torch.Tensor) -> torch.Tensor:
            # Kept for as long as the process lives.
            held = compile_fn.__dict__.setdefault("held", [])
            while True:
                held.append(torch.empty(1 << 30, dtype=torch.uint8, device=x.device))

        def double(x: torch.Tensor) -> torch.Tensor:
            return torch.cat([part * 2.0 for part in x.chunk(params["n_parts"])])

        return take_all if params["greedy"] else double

    space = {
        "greedy": CategoricalDistribution([False, True]),
        "n_parts": CategoricalDistribution([1, 4, 64, 1024]),
    }
    objective = callable_objective(
        compile_fn,
        (x,),
        space,
        reference=lambda x: 2.0 * x,
        seeds=[{"greedy": True, "n_parts": 1}, {"greedy": False, "n_parts": 64}],
    )
    result = objective.tune(sampler=optuna.samplers.RandomSampler(seed=0))
    for trial in result.study.trials:
        status = trial.user_attrs["status"]
        if trial.params["greedy"]:
            assert status == "runtime_error"
            assert "out of memory" in trial.user_attrs["error"]
        else:
            assert status in ("ok", "duplicate")
    assert result.config == {"greedy": False, "n_parts": 1}
