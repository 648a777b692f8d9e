"""Kernels for Triton alone, undecorated, and what runs or compiles them without a GPU.

They use nothing of ``triton.language`` that is itself compiled by ``triton.jit``, so that they
can be interpreted in processes whose Triton compiles.
"""

# mypy: ignore-errors
# ruff: noqa: N803

from __future__ import annotations

from typing import Any

import pytest
import torch

triton = pytest.importorskip("triton", reason="needs Triton")
tl = pytest.importorskip("triton.language")


def interpreted(fn: Any) -> Any:
    """What ``triton.jit`` makes of ``fn`` where the variable TRITON_INTERPRET is set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        return triton.jit(fn)


N = 1000
SCALE = tl.constexpr(1)


def add_kernel(x_ptr, y_ptr, out_ptr, n, EXTRA: tl.constexpr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    x = tl.load(x_ptr + offsets, mask=mask)
    y = tl.load(y_ptr + offsets, mask=mask)
    tl.store(out_ptr + offsets, (x + y + EXTRA) * SCALE, mask=mask)


def add(x: torch.Tensor, y: torch.Tensor, out: torch.Tensor, n: int) -> torch.Tensor:
    return torch.add(x, y, out=out)


def add_args(n: int = N) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    return torch.linspace(0.0, 1.0, n), torch.ones(n), torch.zeros(n), n


def add_grid(meta: dict[str, Any]) -> tuple[int]:
    return (triton.cdiv(N, meta["BLOCK"]),)


def scale_kernel(x_ptr, n, FACTOR: tl.constexpr, BLOCK: tl.constexpr):
    """Changes its argument, with a helper."""
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    tl.store(x_ptr + offsets, times(tl.load(x_ptr + offsets, mask=mask), FACTOR), mask=mask)


def _times(x, factor):
    return x * factor


times = interpreted(_times)


def gemm_kernel(a_ptr, b_ptr, c_ptr, K, BLOCK: tl.constexpr, BLOCK_K: tl.constexpr):
    """One block of a product; needs shared memory for every stage."""
    rows, columns = tl.arange(0, BLOCK), tl.arange(0, BLOCK_K)
    acc = tl.dot(
        tl.load(a_ptr + rows[:, None] * K + columns[None, :]),
        tl.load(b_ptr + columns[:, None] * BLOCK + rows[None, :]),
    )
    for k in range(BLOCK_K, K, BLOCK_K):
        a = tl.load(a_ptr + rows[:, None] * K + (k + columns)[None, :])
        b = tl.load(b_ptr + (k + columns)[:, None] * BLOCK + rows[None, :])
        acc = tl.dot(a, b, acc)
    tl.store(c_ptr + rows[:, None] * BLOCK + rows[None, :], acc)
