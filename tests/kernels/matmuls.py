"""Kernels around matrix products."""

from __future__ import annotations

import math

import helion
import helion.language as hl
import torch
from helion.autotuner.config_fragment import PowerOfTwoFragment

from tests.kernels.case import Case, is_small, normal, normals


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


def split_k_matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    m, k = x.size()
    _, n = y.size()
    out = torch.zeros([m, n], dtype=torch.float32, device=x.device)
    split = hl.register_tunable("k_splits", PowerOfTwoFragment(1, 8, 2))
    k_share = helion.next_power_of_2(helion.cdiv(k, split))
    for tile_m, tile_n, outer_k in hl.tile([m, n, k], block_size=[None, None, k_share]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for inner_k in hl.tile(outer_k.begin, outer_k.end):
            acc = torch.addmm(acc, x[tile_m, inner_k], y[inner_k, tile_n])
        hl.atomic_add(out, [tile_m, tile_n], acc)
    return out


def batched_matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    b, m, k = x.size()
    _, _, n = y.size()
    out = torch.empty([b, m, n], dtype=x.dtype, device=x.device)
    for tile_b, tile_m, tile_n in hl.tile([b, m, n]):
        acc = hl.zeros([tile_b, tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            acc = torch.baddbmm(acc, x[tile_b, tile_m, tile_k], y[tile_b, tile_k, tile_n])
        out[tile_b, tile_m, tile_n] = acc.to(x.dtype)
    return out


def gated_matmul(x: torch.Tensor, y: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
    """A product of which the left operand is computed and cast on the way."""
    m, k = x.size()
    _, n = y.size()
    out = torch.empty([m, n], dtype=x.dtype, device=x.device)
    for tile_m, tile_n in hl.tile([m, n]):
        acc = hl.zeros([tile_m, tile_n], dtype=torch.float32)
        for tile_k in hl.tile(k):
            left = x[tile_m, tile_k].to(torch.float32) * torch.sigmoid(
                gate[tile_m, tile_k].to(torch.float32)
            )
            acc = torch.addmm(acc, left.to(torch.bfloat16), y[tile_k, tile_n])
        out[tile_m, tile_n] = torch.relu(acc).to(x.dtype)
    return out


def gated_reference(x: torch.Tensor, y: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
    left = (x.float() * torch.sigmoid(gate.float())).to(torch.bfloat16)
    return torch.relu(left.float() @ y.float()).to(x.dtype)


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    b, m, _ = q.size()
    n = k.size(1)
    width = hl.specialize(q.size(2))
    scale = 1.0 / math.sqrt(width)
    out = torch.empty_like(q)
    for tile_b, tile_m in hl.tile([b, m]):
        largest = hl.full([tile_b, tile_m], float("-inf"), dtype=torch.float32)
        total = hl.zeros([tile_b, tile_m], dtype=torch.float32)
        acc = hl.zeros([tile_b, tile_m, width], dtype=torch.float32)
        queries = q[tile_b, tile_m, :]
        for tile_n in hl.tile(n):
            scores = torch.bmm(queries, k[tile_b, tile_n, :].transpose(1, 2)) * scale
            new_largest = torch.maximum(largest, torch.amax(scores, -1))
            weights = torch.exp(scores - new_largest[:, :, None])
            shrink = torch.exp(largest - new_largest)
            total = total * shrink + torch.sum(weights, -1)
            values = v[tile_b, tile_n, :]
            acc = torch.baddbmm(acc * shrink[:, :, None], weights.to(v.dtype), values)
            largest = new_largest
        out[tile_b, tile_m, :] = (acc / total[:, :, None]).to(out.dtype)
    return out


def _matmul_args(device: str) -> tuple[torch.Tensor, ...]:
    m, k, n = (64, 256, 128) if is_small(device) else (4096, 4096, 4096)
    return normal(device, m, k), normal(device, k, n)


def _split_k_args(device: str) -> tuple[torch.Tensor, ...]:
    m, k, n = (64, 1024, 128) if is_small(device) else (64, 32768, 64)
    return normal(device, m, k), normal(device, k, n)


def _batched_args(device: str) -> tuple[torch.Tensor, ...]:
    b, m, k, n = (4, 64, 128, 128) if is_small(device) else (16, 1024, 512, 1024)
    return normal(device, b, m, k), normal(device, b, k, n)


def _gated_args(device: str) -> tuple[torch.Tensor, ...]:
    m, k, n = (64, 2048, 128) if is_small(device) else (4096, 16384, 4096)
    x, gate = (part.to(torch.bfloat16) for part in normals(device, 2, m, k))
    return x, normal(device, k, n, dtype=torch.bfloat16), gate


def _attention_args(device: str) -> tuple[torch.Tensor, ...]:
    shape = (2, 128, 128) if is_small(device) else (64, 2048, 128)
    return normals(device, 3, *shape)


def _attention_reference(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.scaled_dot_product_attention(q, k, v)


CASES = {
    "matmul": Case(matmul, _matmul_args, torch.matmul),
    "split_k_matmul": Case(split_k_matmul, _split_k_args, lambda x, y: x.float() @ y.float()),
    "batched_matmul": Case(batched_matmul, _batched_args, torch.bmm),
    "gated_matmul": Case(gated_matmul, _gated_args, gated_reference),
    "attention": Case(attention, _attention_args, _attention_reference),
}
