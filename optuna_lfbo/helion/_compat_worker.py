"""Helion's, Triton's and torch's private names that the worker processes need.

Beside `_compat` and `_compat_compile`, the only module that knows which of them moved between
Helion 1.4 and 1.5.
"""

# mypy: disable-error-code="import-not-found,import-untyped,misc"
# Helion ships annotations without a py.typed marker, so to mypy its classes are Any.

from __future__ import annotations

import inspect
import os
from contextlib import nullcontext
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from helion import Config, Kernel, Settings
from helion._compiler import compile_environment
from helion.autotuner import accuracy
from helion.autotuner.benchmark_provider import _clone_args
from helion.autotuner.benchmark_worker import (
    BenchmarkSubprocessError,
    BenchmarkTimeout,
    BenchmarkWorker,
    _worker_loop,
)
from helion.autotuner.benchmarking import (
    do_bench,
    do_bench_generic,
    interleaved_bench,
    interleaved_bench_generic,
    synchronize_device,
)
from helion.autotuner.logger import capture_output as quiet
from helion.autotuner.logger import match_unrecoverable_runtime_error
from helion.autotuner.precompile_future import (
    SerializedCompiledFunction,
    _load_compiled_fn,
    _serialize_compiled_fn,
    _unload_compiled_fn,
)
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves

from optuna_lfbo.helion._fork_server import PROCESS_NAME, enter, start_server
from optuna_lfbo.helion._lifeline import hold_on_to
from optuna_lfbo.helion._packing import MODULE_PREFIX, KernelPickler, pack, unpack

try:
    from helion.autotuner.benchmark_worker import BenchmarkWorkerUnkillable
except ImportError:  # Helion 1.4 waits for ever instead.

    class BenchmarkWorkerUnkillable(BenchmarkSubprocessError):  # type: ignore[no-redef]  # noqa: N818
        """A process that not even SIGKILL ends."""


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection

__all__ = [
    "BenchmarkSubprocessError",
    "BenchmarkTimeout",
    "BenchmarkWorkerUnkillable",
    "SerializedCompiledFunction",
    "Worker",
    "assert_close",
    "bind",
    "clone_args",
    "device_of",
    "fake_mode",
    "generated",
    "is_triton",
    "load",
    "made_current",
    "match_unrecoverable_runtime_error",
    "milliseconds",
    "milliseconds_interleaved",
    "needs_kernel",
    "packed_kernel",
    "quiet",
    "serialize",
    "synchronize_device",
    "unload",
    "unpacked_kernel",
    "use_cache",
]

BoundKernel: TypeAlias = Any
CompiledFunction: TypeAlias = Any

_SCALE = "scale_atol_by_expected_rms"
_CONTEXT = "init_gpu_context"
_ALIGNMENT = "tensor_descriptor_runtime_alignment_signature"


def _work(lifeline: Connection, connection: Connection, environment: Mapping[str, str]) -> None:
    hold_on_to(lifeline)
    enter(environment)
    _worker_loop(connection, None)


class Worker(BenchmarkWorker):
    """Helion's killable process, forked from a warm server instead of started from nothing.

    It does not outlive this process, whatever it does then.
    """

    def _start(self) -> None:
        context = start_server()
        self._parent_connection, child_connection = context.Pipe(duplex=True)
        lifeline, self._lifeline = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_work,
            args=(lifeline, child_connection, dict(os.environ)),
            name=PROCESS_NAME,
            daemon=True,
        )
        self._process.start()
        child_connection.close()
        lifeline.close()

    def stop(self) -> None:
        """Kill the process, if there is one."""
        self._kill()


def packed_kernel(kernel: Kernel, *, whole: bool = False) -> bytes:
    """Serialize what code generation needs of a kernel; the ``whole`` has all settings."""
    named = {f.name: getattr(kernel.settings, f.name) for f in fields(kernel.settings) if f.init}
    settings = {name: value for name, value in named.items() if whole or not callable(value)}
    return pack((kernel.fn, settings), KernelPickler)


def unpacked_kernel(packed: bytes) -> Kernel:
    """Rebuild a kernel from what `packed_kernel` of this very program returned."""
    fn, settings = unpack(packed)
    return Kernel(fn, configs=None, settings=Settings(**settings))


def fake_mode() -> FakeTensorMode:
    """Return the mode in which tensors have all but data, addresses included.

    Triton specializes on the alignment of addresses, and Helion loads by tensor descriptors
    only from aligned ones. New tensors are aligned; an argument's alignment travels in its
    attribute ``address``.

    Tensors without data need no context of the device, which torch would make for the first one:
    it takes half a GB of the device in each process, and the driver makes one at a time.
    """
    if hasattr(fake_tensor, _CONTEXT):
        setattr(fake_tensor, _CONTEXT, lambda device: None)
    setattr(FakeTensor, "data_ptr", lambda tensor: getattr(tensor, "address", 0))  # noqa: B010
    if hasattr(compile_environment, _ALIGNMENT):  # Since Helion 1.5.
        setattr(compile_environment, _ALIGNMENT, _alignment)
    return FakeTensorMode()


def _alignment(value: object) -> tuple[bool, bool]:
    """Whether an argument begins at a multiple of 16 bytes, and at the start of its storage.

    In place of a function of Helion's that denies both for all tensors without data, so that
    programs other than those that are going to run would be generated for them.
    """
    if not isinstance(value, torch.Tensor):
        return False, False
    return value.data_ptr() % 16 == 0, value.storage_offset() == 0


def use_cache(folder: str) -> None:
    """Make Triton keep what it compiles in ``folder``, where other processes find it."""
    os.environ["TRITON_CACHE_DIR"] = folder


def device_of(args: Sequence[object]) -> torch.device:
    """The device of the first tensor; the CPU if there is none."""
    leaves = tree_leaves(tuple(args))
    devices = (leaf.device for leaf in leaves if isinstance(leaf, torch.Tensor))
    return next(devices, torch.device("cpu"))


def made_current(device: torch.device) -> AbstractContextManager[object]:
    """Make ``device`` the current one for a while, if there are several of its kind."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def serialize(fn: CompiledFunction) -> SerializedCompiledFunction:
    """Return a compiled configuration as generated source."""
    serialized = _serialize_compiled_fn(fn)
    if hasattr(serialized, "source_modules"):  # Since Helion 1.5.
        # It would run the whole file of the kernel for its global names.
        serialized.source_modules = [
            (name, file)
            for name, file in serialized.source_modules
            if not name.startswith(MODULE_PREFIX)
        ]
    return serialized


def needs_kernel(source: SerializedCompiledFunction) -> bool:
    """Whether generated source refers to global names of its kernel."""
    return MODULE_PREFIX in source.source_code


def load(source: SerializedCompiledFunction) -> CompiledFunction:
    """Return the function of generated source."""
    return _load_compiled_fn(source)


def unload(fn: CompiledFunction) -> None:
    """Release what ``load`` and the function's first call have put into caches."""
    _unload_compiled_fn(fn)


def clone_args(args: Sequence[object], indices: Sequence[int]) -> Sequence[object]:
    """Return ``args`` with copies of the tensors at the flat ``indices``."""
    cloned: Sequence[object] = _clone_args(args, None, idx_to_clone=indices)
    return cloned


def assert_close(
    actual: object, expected: object, *, atol: float, rtol: float, scale_atol: bool
) -> None:
    """Compare as Helion's autotuner does.

    Raises:
        AssertionError: They differ.
    """
    # Since Helion 1.5 the absolute tolerance can grow with the expected values.
    can_scale = _SCALE in inspect.signature(accuracy.assert_close).parameters
    scaling = {_SCALE: True} if scale_atol and can_scale else {}
    accuracy.assert_close(actual, expected, atol=atol, rtol=rtol, **scaling)


def milliseconds(
    fn: Callable[[], object], *, window_ms: float, mode: str, events: bool, graph: bool = False
) -> float:
    """Time calls of ``fn`` for about ``window_ms`` with Helion's ``do_bench``.

    Args:
        fn: Has been called before.
        window_ms: One call that takes longer is the only one.
        mode: "min" or "median".
        events: Whether device events measure, and not the host's clock.
        graph: Whether to replay it from a CUDA graph, where that works. The environment variable
            HELION_BENCHMARK_CUDAGRAPH, if it is set, decides instead.
    """
    bench = do_bench if events else do_bench_generic
    probing = "probe_long_kernel" in inspect.signature(bench).parameters
    options = {"probe_long_kernel": True, "pre_warmed": True} if probing else {}
    result: float = bench(
        fn, warmup=1, rep=window_ms, return_mode=mode, default_cudagraph=graph, **options
    )
    return result


def milliseconds_interleaved(
    fns: Sequence[Callable[[], object]], *, repeat: int, events: bool, graph: bool = False
) -> list[float]:
    """Median latency of each function, called in turn ``repeat`` times; as `milliseconds`."""
    bench = interleaved_bench if events else interleaved_bench_generic
    medians: list[float] = bench(list(fns), repeat=repeat, default_cudagraph=graph)
    return medians


def bind(kernel: Kernel, args: Sequence[object]) -> BoundKernel:
    """Bind a kernel to arguments without data."""
    return kernel.bind(tuple(args))


def generated(bound_kernel: BoundKernel, config: dict[str, object]) -> CompiledFunction:
    """Generate the code of a configuration."""
    return bound_kernel.compile_config(Config.from_dict(config), allow_print=False)


def is_triton(bound_kernel: BoundKernel) -> bool:
    """Whether the kernel's code is Triton's, which can be compiled without being run."""
    return bool(bound_kernel.config_spec.backend.name == "triton")
