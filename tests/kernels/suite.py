"""All kernels by name, and short ways to decorate one for a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import helion
import torch

from tests.kernels import matmuls, pointwise, reductions
from tests.kernels.matmuls import matmul
from tests.kernels.pointwise import add
from tests.kernels.reductions import layer_norm, softmax

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CASES", "add", "layer_norm", "matmul", "pallas", "softmax", "tensors", "triton"]

CASES = {**pointwise.CASES, **matmuls.CASES, **reductions.CASES}


def triton(fn: Callable[..., torch.Tensor], **settings: Any) -> helion.Kernel:
    return helion.kernel(fn, static_shapes=True, **settings)


def pallas(fn: Callable[..., torch.Tensor], **settings: Any) -> helion.Kernel:
    return helion.kernel(
        fn, backend="pallas", pallas_interpret=True, static_shapes=True, **settings
    )


def tensors(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)
