"""A plain Triton kernel with arguments, as the worker processes know it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion import _compat_triton as compat
from optuna_lfbo.helion._outlines import fake_args, outlined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class TritonBuilt:
    """One configuration, which Triton's cache on disk has the code of."""

    launcher: bytes
    config: Mapping[str, object]
    source: str

    def load(self) -> Callable[..., object]:
        """Return the function to call with the kernel's arguments."""
        kernel, grid = compat.unpacked(self.launcher)
        return functools.partial(compat.launch, kernel, grid, compat.launch_options(self.config))

    def unload(self, fn: Callable[..., object]) -> None:
        """Triton keeps what it has loaded."""


@dataclass(frozen=True)
class TritonProgram:
    """A kernel, its grid, and the outlines of its arguments."""

    launcher: bytes
    outlines: bytes

    def on(self, args: Sequence[object]) -> TritonProgram:
        """Return the same program for arguments that have been moved."""
        return TritonProgram(self.launcher, outlined(args))

    def prepare(self) -> None:
        """Import what the kernel needs."""
        compat.unpacked(self.launcher)
        _arguments(self.outlines)

    def build(self, config: Mapping[str, object]) -> TritonBuilt:
        """Compile ``config`` without launching it."""
        kernel, grid = compat.unpacked(self.launcher)
        args, mode = _arguments(self.outlines)
        with mode:
            source = compat.compiled_ahead(kernel, grid, args, config)
        return TritonBuilt(self.launcher, config, source)


@functools.lru_cache(maxsize=4)
def _arguments(outlines: bytes) -> tuple[tuple[object, ...], Any]:
    return fake_args(outlines)
