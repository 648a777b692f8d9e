"""A program with a search space that its user has written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from optuna.distributions import BaseDistribution

from optuna_lfbo._space import is_value_of
from optuna_lfbo.helion._compat import device_name
from optuna_lfbo.helion._compat_worker import device_of
from optuna_lfbo.helion._fork_server import start_server
from optuna_lfbo.helion._jobs import Program
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion._reference import reference_of
from optuna_lfbo.helion._setup import Setup
from optuna_lfbo.helion._task import ProgramTask, RejectedError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from optuna_lfbo.helion._identity import Identity
    from optuna_lfbo.helion._jobs import Reference

Params: TypeAlias = Mapping[str, Any]
Space: TypeAlias = Mapping[str, BaseDistribution]


@dataclass(frozen=True)
class Rules:
    """What a user says about configurations.

    Attributes:
        reference: Does what the program shall do.
        returns: Whether the program returns its result, or part of it.
        constraint: Returns False for parameters that are not worth compiling.
        atol: Absolute tolerance of results; None for one that depends on them.
        rtol: Relative tolerance of results.
        compile_timeout: Seconds that compiling a configuration may take.
        benchmark_timeout: Seconds that running, checking and timing it may take.

    Raises:
        TypeError: A value is of another type.
        ValueError: A value is out of its range.
    """

    reference: Callable[..., object] | None
    returns: bool
    constraint: Callable[[dict[str, Any]], bool] | None
    atol: float | None
    rtol: float
    compile_timeout: float
    benchmark_timeout: float

    def __post_init__(self) -> None:
        for name in ("reference", "constraint"):
            if not ((value := getattr(self, name)) is None or callable(value)):
                raise TypeError(f"{name}={value!r}: expected a function or None.")
        for name in ("atol", "rtol"):
            if not ((value := getattr(self, name)) is None or value >= 0.0):
                raise ValueError(f"{name}={value!r}: expected a number of 0 or more.")
        for name in ("compile_timeout", "benchmark_timeout"):
            if not (value := getattr(self, name)) > 0.0:
                raise ValueError(f"{name}={value!r}: expected seconds, more than 0.")


class MovableProgram(Program, Protocol):
    """A program that does not depend on where its arguments are."""

    def on(self, args: Sequence[object]) -> MovableProgram:
        """Return the same program for arguments that have been moved."""


class SpaceTask(ProgramTask):
    """A program whose configurations are the parameters of a trial.

    Args:
        identity: What its studies are about.
        program: What is tuned.
        args: What it is called with.
        space: Parameter names and their distributions.
        seeds: Parameters to measure first, the default before others.
        rules: All the rest.
    """

    def __init__(
        self,
        identity: Identity,
        program: MovableProgram,
        args: Sequence[object],
        space: Space,
        seeds: Sequence[Params],
        rules: Rules,
    ) -> None:
        for seed in seeds:
            _check_inside(seed, space)
        start_server()
        self._program = program
        self._args = tuple(args)
        self.device = device_of(self._args)
        self._rules = rules
        super().__init__(identity, space, seeds, default=seeds[0] if seeds else None)

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self._program, self._args, self.distributions, self.seeds, self._rules)
        return _again, (type(self), self.identity, *parts)

    def configuration(self, params: Params) -> Params:
        """Return ``params``.

        Raises:
            RejectedError: The constraint excludes them.
        """
        constraint = self._rules.constraint
        if constraint is not None and not constraint(dict(params)):
            raise RejectedError("the constraint excludes these parameters")
        return params

    def params(self, configuration: Params) -> dict[str, Any]:
        """Return ``configuration``.

        Raises:
            ValueError: It lies outside the search space.
        """
        _check_inside(configuration, self.distributions)
        return dict(configuration)

    def config(self, configuration: Params) -> Any:
        """Return ``configuration``.

        Raises:
            ValueError: It lies outside the search space.
        """
        return self.params(configuration)

    def sampler(self, seed: int | None = None) -> BaseSampler:
        """Return a sampler that proposes nothing that the constraint excludes."""
        # Worker processes import this module, and never scikit-learn.
        from optuna_lfbo.sampler import LFBOSampler

        constraint = self._rules.constraint
        if constraint is None:
            return LFBOSampler(seed=seed)
        return LFBOSampler(seed=seed, constraint=lambda params: bool(constraint(dict(params))))

    def setup(self) -> Setup:
        """Return the program and the limits."""
        rules = self._rules
        limits = rules.compile_timeout, rules.benchmark_timeout
        return Setup(self._program, self.device, self._reference, *limits)

    def _reference(self) -> Reference:
        rules = self._rules
        return reference_of(
            self._args, rules.reference, returns=rules.returns, atol=rules.atol, rtol=rules.rtol
        )


def _again(
    make: type[SpaceTask],
    identity: Identity,
    program: MovableProgram,
    args: tuple[object, ...],
    *rest: Any,
) -> SpaceTask:
    """The task on the device that ``args`` are on now."""
    here = dataclasses.replace(identity, device=device_name(device_of(args)))
    return make(here, program.on(args), args, *rest)


def checked_space(space: object) -> dict[str, BaseDistribution]:
    """Return ``space`` as a dict.

    Raises:
        TypeError: It is not a mapping of names to distributions.
        ValueError: It is empty.
    """
    if not isinstance(space, Mapping):
        raise TypeError(f"space must map parameter names to Optuna distributions, got {space!r}.")
    for name, distribution in space.items():
        if not isinstance(name, str) or not isinstance(distribution, BaseDistribution):
            raise TypeError(
                f"space must map parameter names to Optuna distributions, such as "
                f"CategoricalDistribution([32, 64]); got {name!r}: {distribution!r}."
            )
    if not space:
        raise ValueError("space is empty: expected at least one parameter.")
    return dict(space)


def checked_args(args: object) -> tuple[object, ...]:
    """Return ``args`` as a tuple.

    Raises:
        TypeError: They are neither a tuple nor a list.
    """
    if not isinstance(args, tuple | list):
        raise TypeError(f"args must be a tuple or list of arguments, got {type(args).__name__}.")
    return tuple(args)


def _check_inside(params: Params, space: Space) -> None:
    if params.keys() != space.keys():
        raise ValueError(
            f"The parameters must have exactly the names of the space, {sorted(space)}, "
            f"not {one_line(str(sorted(params)))}."
        )
    for name, value in params.items():
        if not is_value_of(space[name], value):
            raise ValueError(one_line(f"{name}={value!r} is not in {space[name]}"))
