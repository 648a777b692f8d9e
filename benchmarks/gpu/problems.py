"""The kernels with the arguments that they are tuned for, and what they should compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch.nn import functional

from benchmarks.gpu import kernels
from benchmarks.gpu.kernels import DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    Argument: TypeAlias = "Normal | Labels | Bytes"


@dataclass(frozen=True)
class Normal:
    """A tensor of normally distributed numbers."""

    shape: tuple[int, ...]

    def tensor(self, device: str, generator: torch.Generator | None = None) -> torch.Tensor:
        dtype = torch.bfloat16 if _is_gpu(device) else torch.float32
        return torch.randn(self.shape, generator=generator, dtype=dtype, device=device)


@dataclass(frozen=True)
class Labels:
    """The number of the right class for each of ``n`` rows."""

    n: int
    classes: int

    def tensor(self, device: str, generator: torch.Generator | None = None) -> torch.Tensor:
        # Pallas knows no 64-bit integers.
        dtype = torch.int64 if _is_gpu(device) else torch.int32
        return torch.randint(
            self.classes, (self.n,), generator=generator, dtype=dtype, device=device
        )


@dataclass(frozen=True)
class Bytes:
    """A tensor of any bytes."""

    shape: tuple[int, ...]

    def tensor(self, device: str, generator: torch.Generator | None = None) -> torch.Tensor:
        return torch.randint(
            -128, 128, self.shape, generator=generator, dtype=torch.int8, device=device
        )


def _is_gpu(device: str) -> bool:
    return device.startswith("cuda")


@dataclass(frozen=True)
class Problem:
    """A kernel to tune.

    Attributes:
        kernel: what to tune.
        reference: what it should compute, told in torch.
        gpu: its arguments where there is a CUDA device.
        cpu: tiny ones for elsewhere.
    """

    kernel: Any
    reference: Callable[..., torch.Tensor]
    gpu: tuple[Argument, ...]
    cpu: tuple[Argument, ...]

    def args(self) -> tuple[torch.Tensor, ...]:
        """Makes the arguments; the same ones in every process."""
        generator = torch.Generator(DEVICE).manual_seed(0)
        makers = self.gpu if DEVICE == "cuda" else self.cpu
        return tuple(maker.tensor(DEVICE, generator) for maker in makers)

    def relative_error(self, actual: torch.Tensor, args: tuple[torch.Tensor, ...]) -> float:
        """Tells how far a result is from the reference: the norm of the difference by its norm."""
        wide = [arg.float() if arg.is_floating_point() else arg for arg in args]
        expected = self.reference(*wide)
        return float((actual.float() - expected).norm() / expected.norm())


def _layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(x, x.shape[-1:], weight, bias, eps=1e-5)


def _rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return functional.rms_norm(x, x.shape[-1:], weight, eps=1e-5)


def _softmax(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(x, dim=1)


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits, labels.long(), reduction="none")


def _int4_matmul(x: torch.Tensor, packed: torch.Tensor) -> torch.Tensor:
    return x @ torch.cat([(packed << 4) >> 4, packed >> 4]).to(x.dtype)


def _long_reduction(x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = torch.linalg.vector_norm(x, dim=-1)
    return result


def _normal(*shapes: tuple[int, ...]) -> tuple[Normal, ...]:
    return tuple(map(Normal, shapes))


PROBLEMS = {
    "layer_norm": Problem(
        kernels.layer_norm,
        _layer_norm,
        gpu=_normal((4096, 10240), (10240,), (10240,)),
        cpu=_normal((8, 128), (128,), (128,)),
    ),
    "rms_norm": Problem(
        kernels.rms_norm,
        _rms_norm,
        gpu=_normal((8192, 8192), (8192,)),
        cpu=_normal((8, 128), (128,)),
    ),
    "softmax": Problem(
        kernels.softmax,
        _softmax,
        gpu=_normal((8192, 4096)),
        cpu=_normal((16, 128)),
    ),
    "cross_entropy": Problem(
        kernels.cross_entropy,
        _cross_entropy,
        gpu=(Normal((4096, 32768)), Labels(4096, 32768)),
        cpu=(Normal((8, 128)), Labels(8, 128)),
    ),
    "matmul": Problem(
        kernels.matmul,
        torch.matmul,
        gpu=_normal((4096, 4096), (4096, 4096)),
        cpu=_normal((16, 128), (128, 128)),
    ),
    "split_k_matmul": Problem(
        kernels.split_k_matmul,
        torch.matmul,
        gpu=_normal((64, 32768), (32768, 64)),
        cpu=_normal((16, 256), (256, 128)),
    ),
    "decode_matmul": Problem(
        kernels.split_k_matmul,
        torch.matmul,
        gpu=_normal((16, 4096), (4096, 4096)),
        cpu=_normal((16, 256), (256, 128)),
    ),
    "int4_matmul": Problem(
        kernels.int4_matmul,
        _int4_matmul,
        gpu=(Normal((256, 8192)), Bytes((4096, 8192))),
        cpu=(Normal((16, 128)), Bytes((64, 128))),
    ),
    "attention": Problem(
        kernels.attention,
        functional.scaled_dot_product_attention,
        gpu=_normal(*[(2 * 32, 2048, 64)] * 3),
        cpu=_normal(*[(2, 128, 64)] * 3),
    ),
    "long_reduction": Problem(
        kernels.long_reduction,
        _long_reduction,
        gpu=_normal((64, 524288)),
        cpu=_normal((8, 512)),
    ),
}
