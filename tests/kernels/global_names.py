"""A kernel that uses names of its module."""

from __future__ import annotations

import helion
import helion.language as hl
import torch
from helion.autotuner.config_fragment import PowerOfTwoFragment

FACTOR = 3.0


def doubled(x: torch.Tensor) -> torch.Tensor:
    return x + x


@helion.kernel(backend="pallas", pallas_interpret=True, static_shapes=True)
def scale(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    hl.register_tunable("unused", PowerOfTwoFragment(1, 4, 2))
    for tile in hl.tile(out.size()):
        out[tile] = doubled(x[tile]) * FACTOR
    return out
