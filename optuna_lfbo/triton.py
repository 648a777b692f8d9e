"""Tuning of plain Triton kernels, with or without ``triton.autotune``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from optuna.distributions import BaseDistribution, CategoricalDistribution

try:
    import triton as _triton  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: F401
except ImportError as error:
    raise ImportError(
        "optuna_lfbo.triton needs Triton, which could not be imported; install it with: "
        "pip install triton"
    ) from error

from optuna_lfbo.helion import _compat_triton as compat
from optuna_lfbo.helion._compat import device_name
from optuna_lfbo.helion._compat_worker import device_of
from optuna_lfbo.helion._identity import make_identity, source_of
from optuna_lfbo.helion._objective import Objective
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion._outlines import outlined
from optuna_lfbo.helion._space_task import Rules, SpaceTask, checked_args, checked_space
from optuna_lfbo.helion._triton_program import TritonProgram
from optuna_lfbo.helion.exceptions import KernelError

if TYPE_CHECKING:
    from optuna_lfbo.helion._identity import Identity

__all__ = ["TritonObjective", "triton_objective"]

Grid: TypeAlias = tuple[int, ...] | Callable[[dict[str, Any]], tuple[int, ...]]
Space: TypeAlias = Mapping[str, BaseDistribution] | Sequence[compat.TritonConfig]

_UNSET = {"num_ctas": 1, "maxnreg": None}
"""Options of a launch that most people leave alone."""


def triton_objective(
    fn: compat.TritonKernel,
    grid: Grid,
    args: Sequence[object],
    space: Space | None = None,
    *,
    reference: Callable[..., object] | None = None,
    constraint: Callable[[dict[str, Any]], bool] | None = None,
    seeds: Sequence[Mapping[str, Any]] = (),
    atol: float | None = None,
    rtol: float = 1e-2,
    compile_timeout: float = 60.0,
    benchmark_timeout: float = 30.0,
) -> TritonObjective:
    """Return the objective that measures a Triton kernel, ``fn[grid](*args, **params)``.

    Example:
        ::

            objective = triton_objective(
                add_kernel,
                lambda meta: (triton.cdiv(n, meta["BLOCK"]),),
                (x, y, out, n),
                {
                    "BLOCK": CategoricalDistribution([256, 512, 1024, 2048]),
                    "num_warps": CategoricalDistribution([2, 4, 8]),
                },
                reference=lambda x, y, out, n: torch.add(x, y, out=out),
            )
            best = objective.tune().config
            add_kernel[grid](x, y, out, n, **best.all_kwargs())

    Args:
        fn: A function decorated with ``triton.jit``, and ``triton.heuristics`` perhaps. One
            with ``triton.autotune`` around them needs no ``space``.
        grid: As for the launch, a tuple or a function of the kernel's arguments.
        args: Its positional arguments. Results must be in there, as the kernel finds them
            before it is run, such as zeros where it adds.
        space: Names and distributions of its other parameters, and of the options
            ``num_warps``, ``num_stages``, ``num_ctas`` and ``maxnreg``. Or a list of
            ``triton.Config``: the space of all combinations of their values, and measured
            first.
        reference: Called with a copy of ``args``, writes the right results there. The
            kernel's must be like them. None for no check.
        constraint: Called with a parameter dict, returns False for one that is not worth
            compiling.
        seeds: Parameters to measure first; the first of these and of the list are the
            default, with which the result of ``tune`` is compared.
        atol: Absolute tolerance of results. None for exactly the same integers, and for other
            numbers 0.01, or as much of their root mean square if that is above 1.
        rtol: Relative tolerance of results.
        compile_timeout: Seconds for compiling a configuration. When many have been compiled
            and none took nearly as long, less.
        benchmark_timeout: Seconds for running, checking and timing it.

    Raises:
        TypeError: An argument is of another type, or ``args`` and ``space`` do not fit the
            signature of ``fn``.
        ValueError: ``space`` is empty, or contradicts a ``triton.autotune``; a seed or a limit
            is out of its range; a configuration has a hook.
        KernelError: The kernel or the grid cannot be sent to other processes.
    """
    if not compat.is_kernel(fn):
        raise TypeError(f"fn must be a function decorated with @triton.jit, got {fn!r}.")
    arguments = checked_args(args)
    kernel, distributions, known = _searched(fn, space)
    _check_signature(kernel, arguments, distributions)
    task = TritonTask(
        _identity(kernel, arguments),
        TritonProgram(_packed(kernel, _checked_grid(grid)), outlined(arguments)),
        arguments,
        distributions,
        [*map(dict, seeds), *known],
        Rules(reference, False, constraint, atol, rtol, compile_timeout, benchmark_timeout),
    )
    return TritonObjective(task)


class TritonObjective(Objective[compat.TritonConfig]):
    """Measures a Triton kernel with a trial's parameters; made by :func:`triton_objective`.

    Behaves as :class:`~optuna_lfbo.helion.HelionObjective` does; ``best_config`` returns a
    ``triton.Config``.
    """


class TritonTask(SpaceTask):
    """A Triton kernel with arguments."""

    def config(self, configuration: Mapping[str, Any]) -> compat.TritonConfig:
        """Return ``configuration`` as a ``triton.Config``.

        Raises:
            ValueError: It lies outside the search space.
        """
        return compat.config_of(self.params(configuration))


def _searched(
    fn: compat.TritonKernel, space: Space | None
) -> tuple[compat.TritonKernel, dict[str, BaseDistribution], list[dict[str, Any]]]:
    """The kernel without its autotuner, the space, and configurations that are known."""
    if isinstance(fn, compat.Autotuner):
        if space is not None:
            raise ValueError(
                "fn has a triton.autotune, whose configs are the space; pass fn.fn with "
                "another space."
            )
        _check_autotuner(fn)
        return fn.fn, *_listed(fn.configs)
    if isinstance(space, Mapping):
        return fn, checked_space(space), []
    if not isinstance(space, list | tuple):
        raise TypeError(
            "space must map parameter names to Optuna distributions or be a list of "
            f"triton.Config, got {space!r}."
        )
    return fn, *_listed(space)


def _check_autotuner(fn: compat.TritonKernel) -> None:
    if fn.user_defined_pre_hook or fn.user_defined_post_hook:
        raise ValueError(
            "fn has a triton.autotune with a pre_hook or post_hook, which a trial would not "
            "call; pass args that the kernel can be called with again and again, and fn.fn."
        )
    if fn.perf_model is not None or fn.early_config_prune is not None:
        raise ValueError(
            "fn has a triton.autotune with prune_configs_by, which is not known to the study; "
            "pass fn.fn, its configs as `space`, and say with `constraint` what is left out."
        )


def _listed(
    configs: Sequence[compat.TritonConfig],
) -> tuple[dict[str, BaseDistribution], list[dict[str, Any]]]:
    """The space that a list of configurations spans, and their parameters."""
    for config in configs:
        if not isinstance(config, compat.Config):
            raise TypeError(f"space must be a list of triton.Config, it has {config!r}.")
    if not configs:
        raise ValueError("space is empty: expected at least one triton.Config.")
    known = [compat.params_of(config) for config in configs]
    for name, value in _UNSET.items():
        if all(params[name] == value for params in known):
            for params in known:
                del params[name]
    if any(params.keys() != known[0].keys() for params in known):
        raise ValueError(
            "The configs of a space must have the same parameters, they have "
            f"{sorted({', '.join(sorted(params)) for params in known})}."
        )
    return {name: _choices([params[name] for params in known]) for name in known[0]}, known


def _choices(values: list[Any]) -> BaseDistribution:
    distinct = list(dict.fromkeys(values))
    if all(type(value) in (int, float) for value in distinct):
        distinct.sort()
    return CategoricalDistribution(distinct)


def _check_signature(
    kernel: compat.TritonKernel, args: tuple[object, ...], space: Mapping[str, object]
) -> None:
    signature = inspect.signature(compat.function_of(kernel))
    names = {*space, *compat.heuristic_names(kernel)} & signature.parameters.keys()
    try:
        signature.bind(*args, **dict.fromkeys(names))
    except TypeError as error:
        name = compat.function_of(kernel).__name__
        raise TypeError(
            f"The {len(args)} args and the parameters {sorted(space)} do not fit the kernel "
            f"{name}{signature}: {error}."
        ) from error


def _checked_grid(grid: object) -> Any:
    if callable(grid):
        return grid
    sizes = tuple(grid) if isinstance(grid, tuple | list) else ()
    if not 1 <= len(sizes) <= 3 or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise TypeError(
            f"grid must be a function or a tuple of one to three positive integers, got {grid!r}."
        )
    return sizes


def _identity(kernel: compat.TritonKernel, args: tuple[object, ...]) -> Identity:
    functions, constants = compat.used_by(kernel)
    sources = [source_of(function) for function in functions]
    name = functions[0].__name__
    return make_identity("triton", name, [sources, constants], args, device_name(device_of(args)))


def _packed(kernel: compat.TritonKernel, grid: Any) -> bytes:
    try:
        return compat.packed(kernel, grid)
    except Exception as error:  # Whatever the classes of the objects in them raise.
        raise KernelError(
            "The kernel and its grid cannot be sent to the processes that compile and "
            f"measure: {one_line(f'{type(error).__name__}: {error}')}"
        ) from error
