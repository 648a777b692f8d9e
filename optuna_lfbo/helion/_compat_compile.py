"""Helion's and Triton's names that compiling without a launch needs."""

# mypy: disable-error-code="import-not-found,import-untyped,misc"
# Triton is not installed everywhere, and neither ships a py.typed marker.

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, TypeAlias

try:
    from helion.runtime.triton.launcher import compile_only_launch_args
except ImportError:  # Helion 1.4's launchers have no arguments of their own.

    def compile_only_launch_args(*args: object, **kwargs: object) -> Any:
        """Return the arguments of a launch as they are."""
        return args, kwargs


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch._subclasses.fake_tensor import FakeTensorMode

    CompiledFunction: TypeAlias = Any
    _Stage: TypeAlias = Callable[[Any, dict[str, Any]], Any]

_KNOWS_MEMORY: Final = "llir"
"""The stage of a compilation that tells how much shared memory it needs."""


def compile_ahead(fn: CompiledFunction, args: Sequence[object], mode: FakeTensorMode) -> None:
    """Compile what ``fn(*args)`` would launch into Triton's cache on disk.

    Raises:
        Exception: Whatever the compiler raises; ``OutOfResources`` for a kernel that needs
            more shared memory than the device has.
    """
    with mode:
        fn(*args, _launcher=_compile_launch)


def _compile_launch(kernel: Any, grid: Any, *args: object, **kwargs: object) -> None:
    args, kwargs = compile_only_launch_args(*args, **kwargs)
    compile_launch(kernel, args, {k: v for k, v in kwargs.items() if v is not None})


def compile_launch(kernel: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> Any:
    """Compile what a launch of a Triton kernel would run, instead of launching it.

    Returns:
        The compiled kernel.

    Raises:
        Exception: Whatever the compiler raises; ``OutOfResources`` for too much shared memory.
    """
    from triton.runtime import driver

    # Nothing is launched on it, and torch would make a context of the device to tell it.
    driver.active.get_current_stream = _no_stream
    available = _shared_memory(driver.active.get_current_device())
    limit_shared_memory(driver.active.get_current_target(), available)
    compiled = kernel.run(*args, grid=None, warmup=True, **kwargs)
    # Not every backend has the stage that tells earlier.
    _check(compiled.metadata.shared, available)
    # Builds the launcher's C stub, which the first launch would wait for.
    driver.active.launcher_cls(compiled.src, compiled.metadata)
    return compiled


def _no_stream(device: int) -> int:
    return 0


@functools.cache
def _shared_memory(device: int) -> int:
    """Bytes that a block can have on a device."""
    from triton.runtime import driver

    properties = driver.active.utils.get_device_properties(device)
    return int(properties["max_shared_mem"])


@functools.cache
def limit_shared_memory(target: Any, available: int) -> None:
    """Make Triton raise ``OutOfResources`` in this process as soon as it can.

    How much a kernel needs is known when half of the work has still to be done.

    Args:
        target: What it compiles for.
        available: Bytes that a block can have.
    """
    from triton.compiler.compiler import make_backend

    backend: Any = type(make_backend(target))
    add_stages = backend.add_stages

    def with_check(self: Any, stages: dict[str, _Stage], *args: object) -> None:
        add_stages(self, stages, *args)
        if _KNOWS_MEMORY in stages:
            stages[_KNOWS_MEMORY] = _checked(stages[_KNOWS_MEMORY], available)

    backend.add_stages = with_check


def _checked(stage: _Stage, available: int) -> _Stage:
    def checked(source: Any, metadata: dict[str, Any]) -> Any:
        result = stage(source, metadata)
        _check(metadata["shared"], available)
        return result

    return checked


def _check(needed: int, available: int) -> None:
    from triton.runtime.errors import OutOfResources

    if needed > available:
        raise OutOfResources(needed, available, "shared memory")


def identify_compiler() -> None:
    """Hash Triton's files, whose hash is in all keys of its cache."""
    from triton.runtime.cache import triton_key

    triton_key()
