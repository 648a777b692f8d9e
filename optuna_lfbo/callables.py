"""Tuning of anything that a function makes of parameters.

Such as a C++ or CUDA extension with other macros, or ``torch.compile`` with other options.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion._callable_program import CallableProgram
from optuna_lfbo.helion._compat import device_name
from optuna_lfbo.helion._compat_worker import device_of
from optuna_lfbo.helion._identity import make_identity, source_of
from optuna_lfbo.helion._objective import Objective
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion._packing import pack
from optuna_lfbo.helion._space_task import Rules, SpaceTask, checked_args, checked_space
from optuna_lfbo.helion.exceptions import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optuna.distributions import BaseDistribution

__all__ = ["CallableObjective", "callable_objective"]


def callable_objective(
    compile_fn: Callable[[dict[str, Any]], Callable[..., object]],
    args: Sequence[object],
    space: Mapping[str, BaseDistribution],
    *,
    reference: Callable[..., object] | None = None,
    constraint: Callable[[dict[str, Any]], bool] | None = None,
    seeds: Sequence[Mapping[str, Any]] = (),
    atol: float | None = None,
    rtol: float = 1e-2,
    compile_timeout: float = 120.0,
    benchmark_timeout: float = 30.0,
) -> CallableObjective:
    """Return the objective that measures what ``compile_fn`` makes of a trial's parameters.

    ``compile_fn(params)`` is called in a compiling process, so that a compiler that fails,
    hangs or crashes is told apart from a program that does. What it returns is sent to the
    process that measures, and there called with ``args``, if it can be pickled; else
    ``compile_fn`` is called again there, and had better find what it has compiled on disk.
    What compiles at its first call only, as ``torch.compile`` does, had better be called once
    in ``compile_fn``.

    Example:
        ::

            def compile_fn(params):
                compiled = torch.compile(model, mode=params["mode"])
                compiled(x)
                return compiled

            modes = CategoricalDistribution(["default", "max-autotune-no-cudagraphs"])
            objective = callable_objective(compile_fn, (x,), {"mode": modes}, reference=model)
            print(objective.tune().config)

    Args:
        compile_fn: Called with a parameter dict, returns a function that is called with
            ``*args``. It travels to other processes by cloudpickle, and its source is what
            tells studies apart.
        args: Positional arguments. Calls with a tensor on another device than the CPU are
            timed by that device's events, others by the host's clock.
        space: Names and distributions of the parameters.
        reference: Called with a copy of ``args``. Results must be like what it returns, if
            that is not None, and like what it makes of the tensors among its arguments. None
            for no check.
        constraint: Called with a parameter dict, returns False for one that is not worth
            compiling.
        seeds: Parameters to measure first; the first are the default, with which the result
            of ``tune`` is compared.
        atol: Absolute tolerance of results. None for exactly the same integers, and for other
            numbers 0.01, or as much of their root mean square if that is above 1.
        rtol: Relative tolerance of results.
        compile_timeout: Seconds for compiling a configuration. When many have been compiled
            and none took nearly as long, less.
        benchmark_timeout: Seconds for running, checking and timing it.

    Raises:
        TypeError: An argument is of another type.
        ValueError: ``space`` is empty, or a seed or a limit is out of its range.
        KernelError: ``compile_fn`` has no source, or cannot be pickled.
    """
    if not callable(compile_fn):
        raise TypeError(f"compile_fn must be a function of a parameter dict, got {compile_fn!r}.")
    arguments = checked_args(args)
    identity = make_identity(
        "python",
        _name(compile_fn),
        _source(compile_fn),
        arguments,
        device_name(device_of(arguments)),
    )
    rules = Rules(reference, True, constraint, atol, rtol, compile_timeout, benchmark_timeout)
    program = CallableProgram(_packed(compile_fn))
    return CallableObjective(
        SpaceTask(identity, program, arguments, checked_space(space), seeds, rules)
    )


class CallableObjective(Objective[dict[str, Any]]):
    """Measures what a function makes of a trial's parameters.

    Made by :func:`callable_objective`. Behaves as
    :class:`~optuna_lfbo.helion.HelionObjective` does; ``best_config`` returns parameters.
    """


def _function(fn: Any) -> Any:
    """The function with the source of ``fn``."""
    if isinstance(fn, functools.partial):
        return _function(fn.func)
    return fn if inspect.isroutine(fn) else type(fn).__call__


def _name(fn: Any) -> str:
    name = _function(fn).__qualname__.rpartition("<locals>.")[2]
    return str(name).strip("<>")


def _source(fn: Any) -> str:
    try:
        return source_of(_function(fn))
    except (OSError, TypeError) as error:
        raise KernelError(
            f"compile_fn={fn!r} has no Python source, which tells its studies from those of "
            "others; wrap it in a function that is defined in a file or a notebook."
        ) from error


def _packed(fn: Any) -> bytes:
    try:
        return pack(fn)
    except Exception as error:  # Whatever the classes of the objects in it raise.
        raise KernelError(
            f"compile_fn={fn!r} cannot be sent to the processes that compile and measure: "
            f"{one_line(f'{type(error).__name__}: {error}')}"
        ) from error
