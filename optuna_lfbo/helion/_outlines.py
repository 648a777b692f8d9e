"""Arguments without their data, for processes that compile and do not run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_map

from optuna_lfbo.helion import _compat_worker as compat
from optuna_lfbo.helion._packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALIGNMENT = 64
"""Bytes; no code depends on more of an address."""


@dataclass(frozen=True)
class _Outline:
    """A tensor without its data. The same ``identity`` is the same tensor."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    offset: int
    misalignment: int
    identity: int

    @property
    def span(self) -> int:
        """Elements of the storage from its start to the tensor's last one."""
        if 0 in self.shape:
            return self.offset
        steps = zip(self.shape, self.stride, strict=True)
        return self.offset + 1 + sum((size - 1) * stride for size, stride in steps)


def outlined(args: Sequence[object]) -> bytes:
    """Pack what is to be known of ``args`` without their data."""
    return pack(tree_map(_outline, tuple(args)))


def fake_args(outlines: bytes) -> tuple[tuple[object, ...], Any]:
    """Unpack what `outlined` returned.

    Returns:
        The arguments, with tensors that have no data, and the mode to use these in.
    """
    mode = compat.fake_mode()
    tensors: dict[int, torch.Tensor] = {}

    def tensor_of(leaf: object) -> object:
        if not isinstance(leaf, _Outline):
            return leaf
        if leaf.identity not in tensors:
            tensors[leaf.identity] = _tensor(leaf, mode)
        return tensors[leaf.identity]

    return tree_map(tensor_of, unpack(outlines)), mode


def _outline(leaf: object) -> object:
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return _Outline(
        shape=tuple(leaf.shape),
        stride=tuple(leaf.stride()),
        dtype=leaf.dtype,
        device=leaf.device,
        offset=int(leaf.storage_offset()),
        misalignment=leaf.data_ptr() % _ALIGNMENT,
        identity=id(leaf),
    )


def _tensor(outline: _Outline, mode: Any) -> torch.Tensor:
    with mode:
        storage = torch.empty(outline.span, dtype=outline.dtype, device=outline.device)
        tensor = storage.as_strided(outline.shape, outline.stride, outline.offset)
    tensor.address = outline.misalignment  # type: ignore[attr-defined]
    return tensor
