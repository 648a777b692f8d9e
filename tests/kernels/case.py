"""What a kernel of the suite consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Case:
    """A kernel, arguments for it, and what it should compute.

    Attributes:
        fn: The kernel's function, not decorated yet.
        make_args: Arguments on a device: small on the CPU, of a realistic size elsewhere.
        reference: The same in plain PyTorch.
        unsupported: The platforms on which Helion does not compile it, or computes something
            else, and why.
    """

    fn: Callable[..., Any]
    make_args: Callable[[str], tuple[Any, ...]]
    reference: Callable[..., Any]
    unsupported: Mapping[str, str] = field(default_factory=dict)


def normal(device: str, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return the same normally distributed numbers each time; bfloat16 on a GPU."""
    generator = torch.Generator().manual_seed(sum(shape))
    values = torch.randn(shape, generator=generator)
    return values.to(device, dtype or (torch.float32 if device == "cpu" else torch.bfloat16))


def normals(device: str, n: int, *shape: int) -> tuple[torch.Tensor, ...]:
    """Return ``n`` tensors that differ, each in memory of its own."""
    return tuple(part.clone() for part in normal(device, n, *shape).unbind())


def integers(device: str, high: int, *shape: int) -> torch.Tensor:
    """Return the same integers in [0, high) each time."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(high, shape, generator=generator, dtype=torch.int32).to(device)


def is_small(device: str) -> bool:
    """Whether arguments on ``device`` should be small."""
    return device == "cpu"
