"""Kernels that compute each element by itself, and gathers."""

from __future__ import annotations

import helion.language as hl
import torch
from helion.autotuner.config_fragment import (
    BooleanFragment,
    EnumFragment,
    IntegerFragment,
)

from tests.kernels.case import Case, integers, is_small, normal, normals


def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile in hl.tile(out.size()):
        out[tile] = x[tile] + y[tile]
    return out


def scale_5d(x: torch.Tensor, scale: float) -> torch.Tensor:
    out = torch.empty_like(x)
    for tile_a, tile_b, tile_c, tile_d, tile_e in hl.tile(x.size()):
        out[tile_a, tile_b, tile_c, tile_d, tile_e] = (
            x[tile_a, tile_b, tile_c, tile_d, tile_e] * scale
        )
    return out


def decay(parameters: torch.Tensor, gradients: torch.Tensor, rate: float) -> torch.Tensor:
    """One step of gradient descent, in place."""
    for tile in hl.tile(parameters.size(0)):
        parameters[tile] = parameters[tile] - rate * gradients[tile]
    return parameters


def decay_reference(
    parameters: torch.Tensor, gradients: torch.Tensor, rate: float
) -> torch.Tensor:
    return parameters.sub_((rate * gradients).to(parameters.dtype))


def embedding(indices: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    n = indices.size(0)
    width = table.size(1)
    out = torch.empty([n, width], dtype=table.dtype, device=table.device)
    for tile_n, tile_w in hl.tile([n, width]):
        out[tile_n, tile_w] = table[indices[tile_n], tile_w]
    return out


def page_gather(indices: torch.Tensor, pages: torch.Tensor) -> torch.Tensor:
    n = indices.size(0)
    _, height, width = pages.size()
    out = torch.empty([n, height, width], dtype=pages.dtype, device=pages.device)
    for tile in hl.tile(n):
        out[tile, :, :] = pages[indices[tile], :, :]
    return out


def horner(x: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
    """Evaluate a polynomial, with tunables of every kind that cancel out."""
    n_terms = hl.specialize(coefficients.size(0))
    n = x.size(0)
    offset = hl.register_tunable("offset", IntegerFragment(0, 3, 1))
    scale = hl.register_tunable("scale", EnumFragment((1.0, 0.5, 2.0)))
    shifted = hl.register_tunable("shifted", BooleanFragment())
    out = torch.empty_like(x)
    for tile in hl.tile(n):
        acc = hl.zeros([tile], dtype=torch.float32)
        for i in hl.static_range(n_terms):
            acc = acc * x[tile] + coefficients[n_terms - 1 - i]
        if shifted:
            acc = acc + 0.0
        out[tile] = ((acc + offset) * scale / scale - offset).to(x.dtype)
    return out


def polynomial(x: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
    powers = x.unsqueeze(1) ** torch.arange(coefficients.size(0), device=x.device)
    return (powers * coefficients).sum(1)


def _add_args(device: str) -> tuple[torch.Tensor, ...]:
    shape = (8, 16, 128) if is_small(device) else (64, 1024, 512)
    return normals(device, 2, *shape)


def _scale_args(device: str) -> tuple[torch.Tensor, float]:
    shape = (2, 2, 4, 8, 128) if is_small(device) else (8, 16, 16, 32, 128)
    return normal(device, *shape), 0.5


def _decay_args(device: str) -> tuple[torch.Tensor, torch.Tensor, float]:
    n = 2048 if is_small(device) else 1 << 24
    parameters, gradients = normals(device, 2, n)
    return parameters, gradients, 0.1


def _embedding_args(device: str) -> tuple[torch.Tensor, ...]:
    n, words, width = (64, 128, 128) if is_small(device) else (8192, 32000, 1024)
    return integers(device, words, n), normal(device, words, width)


def _page_args(device: str) -> tuple[torch.Tensor, ...]:
    n, pages = (16, 64) if is_small(device) else (4096, 65536)
    return integers(device, pages, n), normal(device, pages, 8, 128)


def _horner_args(device: str) -> tuple[torch.Tensor, ...]:
    n = 4096 if is_small(device) else 1 << 22
    return normal(device, n), normal(device, 5, dtype=torch.float32)


CASES = {
    "add": Case(add, _add_args, torch.add),
    "scale_5d": Case(scale_5d, _scale_args, torch.mul),
    "decay": Case(decay, _decay_args, decay_reference),
    "embedding": Case(embedding, _embedding_args, lambda i, table: table[i.long()]),
    "page_gather": Case(page_gather, _page_args, lambda i, pages: pages[i.long()]),
    "horner": Case(horner, _horner_args, polynomial),
}
