"""Arguments that have travelled without their data."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from optuna_lfbo.helion._compat_worker import fake_mode
from optuna_lfbo.helion._outlines import fake_args, outlined
from tests.kernels.platforms import HELION_1_4, PLATFORMS
from tests.kernels.sources import sources
from tests.kernels.suite import CASES, pallas

DESCRIPTORS = {"indexing": ["tensor_descriptor"] * 3, "block_sizes": [64, 64, 64]}


def arrived(address: int = 0, offset: int = 0) -> tuple[Any, ...]:
    """Arguments of a matmul of which the first has that address, and begins there."""
    with fake_mode():
        storage = torch.empty(offset + 128 * 128, dtype=torch.bfloat16, device="cuda:0")
        x = storage.as_strided((128, 128), (128, 1), offset)
        y = torch.empty(128, 128, dtype=torch.bfloat16, device="cuda:0")
    x.address = address  # type: ignore[attr-defined]
    args, _ = fake_args(outlined((x, y)))
    return args


def loads_by_descriptor(args: tuple[Any, ...]) -> list[bool]:
    """Whether the matmul loads each of them by a tensor descriptor, if it is told to."""
    platform = PLATFORMS["triton-hopper"]
    with platform.simulated():
        bound = platform.kernel(CASES["matmul"]).bind(args)
        code = bound.to_triton_code(bound.config_spec.default_config().config | DESCRIPTORS)
    return [f"{name}_desc.load(" in code for name in "xy"]


@pytest.mark.skipif(HELION_1_4, reason="Helion 1.4 takes all addresses for aligned")
@pytest.mark.parametrize(
    ("address", "offset", "expected"), [(0, 0, True), (48, 24, True), (8, 4, False)]
)
def test_only_aligned_ones_are_loaded_by_descriptors(
    address: int, offset: int, expected: bool
) -> None:
    assert loads_by_descriptor(arrived(address, offset)) == [expected, True]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(4, 6),
        torch.zeros(4, 6)[1:, 2:].t(),
        torch.zeros(3, 1).expand(3, 5),
        torch.zeros(2, 0, 3)[1:],
        torch.zeros(()),
    ],
)
def test_they_have_the_layout_they_had(tensor: torch.Tensor) -> None:
    ((same,), _) = fake_args(outlined((tensor,)))
    assert (same.shape, same.stride()) == (tensor.shape, tensor.stride())
    assert same.storage_offset() == tensor.storage_offset()
    assert same.data_ptr() % 16 == tensor.data_ptr() % 16


@pytest.mark.parametrize("name", ["matmul", "layer_norm"])
def test_the_same_code_is_generated_for_them(name: str) -> None:
    pairs = list(sources(pallas(CASES[name].fn), CASES[name].make_args("cpu"), n=4))
    assert pairs
    for mine, helions in pairs:
        assert mine == helions
