from __future__ import annotations

from typing import TYPE_CHECKING, Any

import helion
import helion.language as hl
import torch

if TYPE_CHECKING:
    from collections.abc import Callable


def matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    m, k = x.size()
    _, n = y.size()
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        out[tile_m, tile_n] = acc.to(x.dtype)
    return out


def softmax(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        out[tile, :] = torch.nn.functional.softmax(x[tile, :], dim=1)
    return out


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        rows = x[tile, :].to(torch.float32)
        centred = rows - rows.mean(dim=-1, keepdim=True)
        scale = torch.rsqrt((centred * centred).mean(dim=-1, keepdim=True) + 1e-5)
        out[tile, :] = (centred * scale * weight[:] + bias[:]).to(x.dtype)
    return out


def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(out.size()):
        out[tile] = x[tile] + y[tile]
    return out


KERNELS: dict[str, tuple[Callable[..., torch.Tensor], tuple[tuple[int, ...], ...]]] = {
    "matmul": (matmul, ((256, 256), (256, 256))),
    "softmax": (softmax, ((64, 8192),)),
    "layer_norm": (layer_norm, ((64, 4096), (4096,), (4096,))),
    "add": (add, ((64, 128, 32), (64, 128, 32))),
}


def triton(fn: Callable[..., torch.Tensor], **settings: Any) -> helion.Kernel:
    return helion.kernel(fn, static_shapes=True, **settings)


def pallas(fn: Callable[..., torch.Tensor], **settings: Any) -> helion.Kernel:
    return helion.kernel(
        fn, backend="pallas", pallas_interpret=True, static_shapes=True, **settings
    )


def tensors(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)
