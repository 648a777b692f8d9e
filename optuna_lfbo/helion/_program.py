"""A Helion kernel with arguments, as the compiling processes know it."""

from __future__ import annotations

import contextlib
import functools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
)
from tqdm import tqdm

from optuna_lfbo.helion import _compat_worker as compat
from optuna_lfbo.helion._compat_compile import compile_ahead, identify_compiler
from optuna_lfbo.helion._outlines import fake_args, outlined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class HelionBuilt:
    """The code of one configuration.

    Attributes:
        serialized: That code.
        kernel: The packed kernel, if the code refers to its global names.
    """

    serialized: compat.SerializedCompiledFunction
    kernel: bytes | None

    @property
    def source(self) -> str:
        """The generated source."""
        source: str = self.serialized.source_code
        return source

    def load(self) -> Callable[..., object]:
        """Return the function to call with the kernel's arguments."""
        if self.kernel is not None:
            _unpacked(self.kernel)
        fn: Callable[..., object] = compat.load(self.serialized)
        return fn

    def unload(self, fn: Callable[..., object]) -> None:
        """Release what belongs to ``fn``."""
        compat.unload(fn)


@dataclass(frozen=True)
class HelionProgram:
    """A kernel and the outlines of its arguments; made by `program_of`."""

    kernel: bytes
    outlines: bytes

    def prepare(self) -> None:
        """Bind the kernel, and do what Triton does once in a process."""
        # torch's code generation makes a progress bar, whose lock between processes would be
        # reported as leaked when the process is killed.
        tqdm.set_lock(threading.RLock())
        bound_kernel, _, _ = _bound(self)
        if compat.is_triton(bound_kernel):
            identify_compiler()

    def build(self, config: Mapping[str, object]) -> HelionBuilt:
        """Generate the code of ``config`` and, if it is Triton's, compile it."""
        bound_kernel, args, mode = _bound(self)
        fn = compat.generated(bound_kernel, dict(config))
        if compat.is_triton(bound_kernel):
            # Host code that looks at the data, which only the measuring process has, is
            # compiled there, when it launches.
            with contextlib.suppress(DataDependentOutputException, DynamicOutputShapeException):
                compile_ahead(fn, args, mode)
        serialized = compat.serialize(fn)
        needed = compat.needs_kernel(serialized)
        return HelionBuilt(serialized, self.kernel if needed else None)


def program_of(kernel: Any, args: Sequence[object]) -> HelionProgram:
    """Pack ``kernel`` and what is to be known of ``args`` without their data."""
    return HelionProgram(compat.packed_kernel(kernel), outlined(args))


@functools.cache
def _bound(program: HelionProgram) -> tuple[Any, Sequence[object], Any]:
    kernel = _unpacked(program.kernel)
    args, mode = fake_args(program.outlines)
    return compat.bind(kernel, args), args, mode


@functools.cache
def _unpacked(kernel: bytes) -> Any:
    return compat.unpacked_kernel(kernel)
