"""Kernels and arguments for the command line to find, and some that do not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.distributions import IntDistribution

from optuna_lfbo.callables import callable_objective
from tests.kernels import faulty
from tests.kernels.suite import add, matmul, pallas, softmax, tensors

if TYPE_CHECKING:
    import torch

adding = pallas(add)
multiplying = pallas(matmul)
soft = pallas(softmax)
unusable = pallas(softmax, autotune_config_filter=lambda config: None)
soft_args = tensors((16, 128))
failing = faulty.kernel()


def add_args() -> tuple[torch.Tensor, ...]:
    return tensors((8, 16, 128), (8, 16, 128))


def broken_args() -> tuple[torch.Tensor, ...]:
    raise RuntimeError("no such\nfile")


def compile_fn(params: dict[str, int]) -> object:
    return lambda x: sum([x] * params["n"])


def objective() -> object:
    (x,) = soft_args
    return callable_objective(compile_fn, (x,), {"n": IntDistribution(1, 3)}, seeds=[{"n": 2}])
