"""A small kernel and arguments for it, which the other examples and the docs tune.

    optuna-lfbo tune my_kernels:softmax --args my_kernels:make_args

With a CUDA device the kernel runs through Triton; without one it runs on the CPU, through the
interpreter of Helion's Pallas backend.
"""

from __future__ import annotations

from typing import Any

import helion
import helion.language as hl
import torch

ON_GPU = torch.cuda.is_available()
SETTINGS: dict[str, Any] = {"static_shapes": True}
if not ON_GPU:
    SETTINGS |= {"backend": "pallas", "pallas_interpret": True}


@helion.kernel(**SETTINGS)
def softmax(x: torch.Tensor) -> torch.Tensor:
    """Exponentiate each row and divide it by its sum."""
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = torch.nn.functional.softmax(x[tile, :], dim=1)
    return out


def make_args() -> tuple[torch.Tensor]:
    """Return a random matrix of a size that suits the device."""
    if ON_GPU:
        return (torch.randn((8192, 4096), device="cuda", dtype=torch.bfloat16),)
    return (torch.randn((32, 128)),)
