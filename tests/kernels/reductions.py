"""Kernels that reduce along a dimension."""

from __future__ import annotations

import helion.language as hl
import torch

from tests.kernels.case import Case, integers, is_small, normal, normals
from tests.kernels.platforms import HELION_1_4, PLATFORMS

_EPSILON = 1e-5


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


def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(x.size(0)):
        rows = x[tile, :].to(torch.float32)
        scale = torch.rsqrt(torch.mean(rows * rows, dim=-1) + 1e-5)
        out[tile, :] = (rows * scale[:, None] * weight[:]).to(x.dtype)
    return out


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    n, classes = logits.size()
    losses = torch.empty([n], dtype=torch.float32, device=logits.device)
    flat = logits.view(-1)
    for tile in hl.tile(n):
        rows = logits[tile, :].to(torch.float32)
        largest = torch.amax(rows, dim=-1, keepdim=True)
        total = torch.log(torch.sum(torch.exp(rows - largest), dim=-1))
        chosen = hl.load(flat, [tile.index * classes + labels[tile]])
        losses[tile] = largest.squeeze(-1) + total - chosen
    return losses


def long_sum(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty([x.size(0)], dtype=torch.float32, device=x.device)
    for tile in hl.tile(x.size(0)):
        out[tile] = x[tile, :].to(torch.float32).sum(-1)
    return out


def row_max(x: torch.Tensor) -> torch.Tensor:
    """Go through a row in a number of steps that is small and known, so it may be unrolled."""
    out = torch.empty([x.size(0)], dtype=x.dtype, device=x.device)
    for tile in hl.tile(x.size(0)):
        largest = hl.full([tile], float("-inf"), dtype=x.dtype)
        for step in hl.tile(0, x.size(1), block_size=128):
            largest = torch.maximum(largest, torch.amax(x[tile, step], dim=1))
        out[tile] = largest
    return out


def normalize_rows(x: torch.Tensor) -> torch.Tensor:
    """Divide by the sum of the row, which the first of two loops leaves in memory."""
    m, n = x.size()
    sums = torch.empty([m], dtype=torch.float32, device=x.device)
    out = torch.empty_like(x)
    for tile_m in hl.tile(m):
        sums[tile_m] = torch.exp(x[tile_m, :].to(torch.float32)).sum(-1)
    for tile_m, tile_n in hl.tile([m, n]):
        shares = torch.exp(x[tile_m, tile_n].to(torch.float32)) / sums[tile_m][:, None]
        out[tile_m, tile_n] = shares.to(x.dtype)
    return out


def column_sum(x: torch.Tensor) -> torch.Tensor:
    """Add rows up in a loop whose bounds are known, into an atomic."""
    m, n = x.size()
    out = torch.zeros([n], dtype=torch.float32, device=x.device)
    rows_each = hl.register_block_size(m)
    for tile_rows, tile_n in hl.tile([m, n], block_size=[rows_each, None]):
        acc = hl.zeros([tile_n], dtype=torch.float32)
        for tile_m in hl.tile(tile_rows.begin, tile_rows.end):
            acc = acc + x[tile_m, tile_n].to(torch.float32).sum(0)
        hl.atomic_add(out, [tile_n], acc)
    return out


def jagged_mean(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    n = offsets.size(0) - 1
    width = values.size(1)
    out = torch.empty([n, width], dtype=torch.float32, device=values.device)
    flat = values.view(-1)
    for tile_n, tile_w in hl.tile([n, width]):
        starts = offsets[tile_n]
        lengths = offsets[tile_n.index + 1] - starts
        acc = hl.zeros([tile_n, tile_w], dtype=torch.float32)
        for tile_k in hl.tile(0, lengths.amax()):
            rows = starts[:, None] + tile_k.index[None, :]
            inside = tile_k.index[None, :] < lengths[:, None]
            loaded = hl.load(
                flat,
                [rows[:, :, None] * width + tile_w.index[None, None, :]],
                extra_mask=inside[:, :, None],
            )
            acc = acc + loaded.to(torch.float32).sum(1)
        counts = torch.maximum(lengths, torch.ones_like(lengths)).to(torch.float32)
        out[tile_n, tile_w] = acc / counts[:, None]
    return out


def jagged_scale(
    values: torch.Tensor, offsets: torch.Tensor, factors: torch.Tensor
) -> torch.Tensor:
    """Multiply every group of rows by the factor of its group."""
    out = torch.zeros_like(values)
    width = values.size(1)
    for group in hl.grid(offsets.size(0) - 1):
        begin = offsets[group]
        end = offsets[group + 1]
        for tile_m in hl.tile(begin, end):
            for tile_w in hl.tile(width):
                out[tile_m, tile_w] = values[tile_m, tile_w] * factors[group]
    return out


def jagged_mean_reference(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    groups = torch.tensor_split(values.float(), offsets[1:-1].cpu().long())
    return torch.stack([group.sum(0) / max(len(group), 1) for group in groups])


def jagged_scale_reference(
    values: torch.Tensor, offsets: torch.Tensor, factors: torch.Tensor
) -> torch.Tensor:
    return values * torch.repeat_interleave(factors, offsets.diff().long())[:, None]


def _rows(device: str) -> torch.Tensor:
    return normal(device, *((16, 1024) if is_small(device) else (8192, 4096)))


def _layer_norm_args(device: str) -> tuple[torch.Tensor, ...]:
    x = _rows(device)
    weight, bias = normals(device, 2, x.size(1))
    return x, weight, bias


def _cross_entropy_args(device: str) -> tuple[torch.Tensor, ...]:
    n, classes = (16, 1024) if is_small(device) else (8192, 32768)
    logits = normal(device, n, classes, dtype=torch.float32)
    return logits, integers(device, classes, n)


def _long_args(device: str) -> tuple[torch.Tensor, ...]:
    return (normal(device, *((8, 16384) if is_small(device) else (256, 1 << 18))),)


def _row_max_args(device: str) -> tuple[torch.Tensor, ...]:
    return (normal(device, 32 if is_small(device) else 1 << 16, 1024),)


def _column_args(device: str) -> tuple[torch.Tensor, ...]:
    return (normal(device, *((256, 256) if is_small(device) else (16384, 4096))),)


def _jagged(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    groups, longest, width = (8, 40, 128) if is_small(device) else (512, 512, 512)
    lengths = [i * i % longest for i in range(groups)]
    offsets = torch.tensor([sum(lengths[:i]) for i in range(groups + 1)], dtype=torch.int32)
    return normal(device, sum(lengths), width), offsets.to(device)


def _jagged_scale_args(device: str) -> tuple[torch.Tensor, ...]:
    values, offsets = _jagged(device)
    return values, offsets, normal(device, offsets.size(0) - 1)


CASES = {
    "softmax": Case(softmax, lambda device: (_rows(device),), lambda x: torch.softmax(x, 1)),
    "layer_norm": Case(
        layer_norm,
        _layer_norm_args,
        lambda x, w, b: torch.nn.functional.layer_norm(x, w.shape, w, b, _EPSILON),
    ),
    "rms_norm": Case(
        rms_norm,
        lambda device: _layer_norm_args(device)[:2],
        lambda x, w: torch.nn.functional.rms_norm(x, w.shape, w, _EPSILON),
    ),
    "cross_entropy": Case(
        cross_entropy,
        _cross_entropy_args,
        lambda x, y: torch.nn.functional.cross_entropy(x, y.long(), reduction="none"),
    ),
    "long_sum": Case(long_sum, _long_args, lambda x: x.float().sum(1)),
    "row_max": Case(row_max, _row_max_args, lambda x: x.amax(1)),
    "normalize_rows": Case(
        normalize_rows,
        lambda device: (_rows(device),),
        lambda x: torch.softmax(x.float(), 1).to(x.dtype),
        dict.fromkeys(
            PLATFORMS if HELION_1_4 else set(PLATFORMS) - {"triton-hopper", "triton-blackwell"},
            "two loops of which one needs the other's result",
        ),
    ),
    "column_sum": Case(column_sum, _column_args, lambda x: x.float().sum(0)),
    "jagged_mean": Case(
        jagged_mean,
        _jagged,
        jagged_mean_reference,
        dict.fromkeys(
            ("pallas",) if HELION_1_4 else ("pallas", "pallas-tpu"),
            "an indirect load with a mask of its own",
        ),
    ),
    "jagged_scale": Case(
        jagged_scale,
        _jagged_scale_args,
        jagged_scale_reference,
        {"pallas": "tiles that end before their block does"} if HELION_1_4 else {},
    ),
}
