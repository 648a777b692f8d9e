"""The kernels that are tuned.

They are made for the Triton backend where there is a CUDA device, else for Pallas's interpreter.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import helion
import helion.language as hl
import torch
from helion.autotuner import PowerOfTwoFragment

# Asks NVML, so that a process that imports this may still be forked and open CUDA then.
DEVICE = "cuda" if torch.cuda.device_count() > 0 else "cpu"

_BACKEND: dict[str, Any] = (
    {} if DEVICE == "cuda" else {"backend": "pallas", "pallas_interpret": True}
)
_kernel = partial(helion.kernel, static_shapes=True, **_BACKEND)


@_kernel
def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        rows = x[tile, :].to(torch.float32)
        centred = rows - rows.mean(dim=-1, keepdim=True)
        scale = torch.rsqrt((centred * centred).mean(dim=-1, keepdim=True) + 1e-5)
        scaled = centred * scale * weight[:].to(torch.float32) + bias[:].to(torch.float32)
        out[tile, :] = scaled.to(x.dtype)
    return out


@_kernel
def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        rows = x[tile, :].to(torch.float32)
        scale = torch.rsqrt((rows * rows).mean(dim=-1, keepdim=True) + 1e-5)
        out[tile, :] = (rows * scale * weight[:].to(torch.float32)).to(x.dtype)
    return out


@_kernel
def softmax(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        rows = x[tile, :].to(torch.float32)
        powers = torch.exp(rows - torch.amax(rows, dim=1, keepdim=True))
        out[tile, :] = (powers / torch.sum(powers, dim=1, keepdim=True)).to(x.dtype)
    return out


@_kernel
def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    n, classes = logits.size()
    losses = torch.empty([n], dtype=torch.float32, device=logits.device)
    flat = logits.view(-1)
    for tile in hl.tile(n):
        rows = logits[tile, :].to(torch.float32)
        largest = torch.amax(rows, dim=-1)
        total = torch.sum(torch.exp(rows - largest[:, None]), dim=-1)
        chosen = hl.load(flat, [tile.index * classes + labels[tile]]).to(torch.float32)
        losses[tile] = torch.log(total) + largest - chosen
    return losses


@_kernel
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


@_kernel
def split_k_matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    m, k = x.size()
    _, n = y.size()
    out = torch.zeros([m, n], dtype=torch.float32, device=x.device)
    parts = hl.register_tunable("split_k", PowerOfTwoFragment(1, 256, 8))
    part = helion.next_power_of_2(helion.cdiv(k, parts))
    for tile_m, tile_n, slab in hl.tile([m, n, k], block_size=[None, None, part]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(slab.begin, slab.end):
            acc = torch.addmm(acc, x[tile_m, tile_k], y[tile_k, tile_n])
        hl.atomic_add(out, [tile_m, tile_n], acc)
    return out


@_kernel
def int4_matmul(x: torch.Tensor, packed: torch.Tensor) -> torch.Tensor:
    """Multiplies by weights of four bits: the lower ones are the upper half of the rows."""
    m, _ = x.size()
    half, n = packed.size()
    left, right = x.narrow(1, 0, half), x.narrow(1, half, half)
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(half):
            pairs = packed[tile_k, tile_n]
            lower = ((pairs << 4) >> 4).to(x.dtype)
            upper = (pairs >> 4).to(x.dtype)
            acc = torch.addmm(acc, left[tile_m, tile_k], lower)
            acc = torch.addmm(acc, right[tile_m, tile_k], upper)
        out[tile_m, tile_n] = acc.to(x.dtype)
    return out


@_kernel
def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    heads, n_queries, width = query.size()
    width = hl.specialize(width)
    n_keys = key.size(1)
    out = torch.empty_like(query)
    keys = key.transpose(1, 2)
    # exp2 is what the hardware has.
    factor = 1.0 / (math.sqrt(width) * math.log(2.0))
    for tile_b, tile_m in hl.tile([heads, n_queries]):
        largest = hl.full([tile_b, tile_m], float("-inf"), dtype=torch.float32)
        total = torch.full_like(largest, 0.0)
        acc = hl.zeros([tile_b, tile_m, width], dtype=torch.float32)
        q = query[tile_b, tile_m, :]
        for tile_n in hl.tile(n_keys):
            scores = torch.bmm(q, keys[tile_b, :, tile_n]).to(torch.float32) * factor
            larger = torch.maximum(largest, torch.amax(scores, -1))
            powers = torch.exp2(scores - larger[:, :, None])
            decay = torch.exp2(largest - larger)
            total = total * decay + torch.sum(powers, -1)
            v = value[tile_b, tile_n, :]
            acc = torch.baddbmm(acc * decay[:, :, None], powers.to(v.dtype), v)
            largest = larger
        out[tile_b, tile_m, :] = (acc / total[:, :, None]).to(out.dtype)
    return out


@_kernel
def long_reduction(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for tile in hl.tile(x.size(0)):
        rows = x[tile, :].to(torch.float32)
        out[tile] = torch.sqrt(torch.sum(rows * rows, dim=-1))
    return out
