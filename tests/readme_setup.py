"""What some pages take for granted, small enough for the interpreters on the CPU."""

from __future__ import annotations

import os  # noqa: F401

import helion
import helion.language as hl
import torch
import triton
import triton.language as tl
from optuna.distributions import CategoricalDistribution  # noqa: F401

from optuna_lfbo.helion import _final, _stop

_final._BUDGET_MS, _stop._EXHAUSTION = 100.0, 3  # no patience
n = 128 * 16
x, y = torch.randn(16, 128), torch.randn(16, 128)
out = torch.zeros_like(x)


def arguments_on(device: torch.device) -> tuple[torch.Tensor, ...]:
    return x.to(device), y.to(device)


@helion.kernel(backend="pallas", pallas_interpret=True, static_shapes=True)
def my_kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = x[tile, :] + y[tile, :]
    return out


@triton.jit
def add_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    x = tl.load(x_ptr + offsets, mask=mask)
    y = tl.load(y_ptr + offsets, mask=mask)
    tl.store(out_ptr + offsets, x + y, mask=mask)
