"""Every name of Triton's that is private or moves between its releases."""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-any-return"
# Triton is not installed everywhere and ships no py.typed marker.

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from triton import Config
from triton.language import constexpr
from triton.runtime import Autotuner, Heuristics, JITFunction, KernelInterface
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITCallable

from optuna_lfbo.helion._compat_compile import compile_launch
from optuna_lfbo.helion._packing import Pickler, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "Autotuner",
    "Config",
    "compiled_ahead",
    "config_of",
    "function_of",
    "heuristic_names",
    "is_kernel",
    "launch",
    "launch_options",
    "packed",
    "params_of",
    "unpacked",
    "used_by",
]

TritonKernel: TypeAlias = Any
TritonConfig: TypeAlias = Any

_OPTIONS = ("num_warps", "num_stages", "num_ctas", "maxnreg")
_JIT_OPTIONS = (
    "version",
    "do_not_specialize",
    "do_not_specialize_on_alignment",
    "debug",
    "noinline",
    "launch_metadata",
)
_LAUNCH_METADATA = ("num_warps", "num_ctas", "shared", "cluster_dims", "launch_pdl")


def is_kernel(fn: object) -> bool:
    """Whether ``fn`` is made by ``triton.jit``, with other decorators around it or not."""
    return isinstance(fn, KernelInterface)


def function_of(kernel: TritonKernel) -> Any:
    """Return the Python function below all decorators.

    Raises:
        ValueError: One of the decorators tunes.
    """
    while not inspect.isfunction(kernel):
        if isinstance(kernel, Autotuner):
            raise ValueError(
                "fn has a triton.autotune below another decorator, and would tune itself in "
                "every trial; remove it, and pass its configs as `space`."
            )
        kernel = kernel.fn
    return kernel


def heuristic_names(kernel: TritonKernel) -> Iterator[str]:
    """Yield the parameters whose values ``triton.heuristics`` computes."""
    while isinstance(kernel, Heuristics):
        yield from kernel.values
        kernel = kernel.fn


def used_by(kernel: TritonKernel) -> tuple[list[Any], dict[str, str]]:
    """Return the functions that a kernel consists of, and the constants they read."""
    functions, constants = [function_of(kernel)], {}
    for function in functions:
        variables = inspect.getclosurevars(function)
        for name, value in sorted({**variables.globals, **variables.nonlocals}.items()):
            if isinstance(value, JITCallable | KernelInterface):
                if (helper := function_of(value)) not in functions:
                    functions.append(helper)
            elif isinstance(value, constexpr | bool | int | float | str):
                constants[name] = repr(value)
    return functions, constants


# Configurations.


def launch_options(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a launch with ``configuration``."""
    return config_of(configuration).all_kwargs()


def config_of(configuration: Mapping[str, Any]) -> TritonConfig:
    """Return a configuration as Triton's own class."""
    options = {name: value for name, value in configuration.items() if name in _OPTIONS}
    kwargs = {name: value for name, value in configuration.items() if name not in options}
    return Config(kwargs, **options)


def params_of(config: TritonConfig) -> dict[str, Any]:
    """Return the parameters of one of Triton's configurations.

    Raises:
        ValueError: It has more than parameters.
    """
    if config.pre_hook is not None or getattr(config, "ir_override", None) is not None:
        raise ValueError(
            f"triton.Config({config}) has a pre_hook or an ir_override, which cannot be kept "
            "in a study; launch from a function and tune that with callable_objective()."
        )
    options = {name: getattr(config, name, None) for name in _OPTIONS}
    return {**config.kwargs, **options}


# A kernel on its way to another process, as what it was here, compiled or interpreted.


class _Pickler(Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, JITFunction | InterpretedFunction):
            return _rebuilt, (type(value), value.fn, _options(value))
        if isinstance(value, JITCallable):
            return _rebuilt, (type(value), value.fn, {})
        return super().reducer_override(value)


def packed(kernel: TritonKernel, grid: object) -> bytes:
    """Serialize what a launch needs, without the arguments."""
    return pack((kernel, grid), _Pickler)


@functools.lru_cache(maxsize=4)
def unpacked(launcher: bytes) -> tuple[TritonKernel, Any]:
    """Return the kernel and the grid that `packed` of this very program was given."""
    kernel, grid = unpack(launcher)
    return kernel, grid


def _options(kernel: TritonKernel) -> dict[str, Any]:
    if isinstance(kernel, InterpretedFunction):
        return dict(kernel.kwargs)
    return {"repr": kernel._repr} | {name: getattr(kernel, name) for name in _JIT_OPTIONS}


def _rebuilt(kind: type, fn: Any, options: dict[str, Any]) -> TritonKernel:
    return kind(fn, **options)


# What the worker processes do with it.


def launch(kernel: TritonKernel, grid: Any, options: Mapping[str, Any], *args: object) -> None:
    """Run the kernel."""
    kernel.run(*args, grid=grid, warmup=False, **options)


def compiled_ahead(
    kernel: TritonKernel, grid: Any, args: Sequence[object], configuration: Mapping[str, Any]
) -> str:
    """Compile into Triton's cache on disk what a launch would run.

    Args:
        kernel: The kernel.
        grid: Where it is launched.
        args: Without data.
        configuration: The rest of its arguments.

    Returns:
        A text that is the same for the same program.

    Raises:
        Exception: Whatever the compiler raises; ``OutOfResources`` for a kernel that needs
            more shared memory than the device has.
    """
    options = launch_options(configuration)
    unique = json.dumps(dict(configuration), sort_keys=True)
    if not _is_compiled(kernel):
        return unique
    compiled = compile_launch(kernel, args, options)
    if not isinstance(kernel, JITFunction):
        return unique
    code = hashlib.sha256(compiled.kernel).hexdigest()
    metadata = [str(getattr(compiled.metadata, name, None)) for name in _LAUNCH_METADATA]
    return json.dumps([code, metadata, _dimensions(kernel, grid, args, options)])


def _is_compiled(kernel: TritonKernel) -> bool:
    while isinstance(kernel, Heuristics):
        kernel = kernel.fn
    return isinstance(kernel, JITFunction)


def _dimensions(
    kernel: JITFunction, grid: Any, args: Sequence[object], options: Mapping[str, Any]
) -> list[int]:
    if not callable(grid):
        return list(grid)
    parameters = inspect.signature(kernel.fn).parameters
    own = {name: value for name, value in options.items() if name in parameters}
    bound = inspect.signature(kernel.fn).bind(*args, **own)
    bound.apply_defaults()
    return [int(size) for size in grid({**bound.arguments, **options})]
