"""A Helion kernel with arguments as a thing to tune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion import _compat
from optuna_lfbo.helion._compat_worker import made_current, packed_kernel, unpacked_kernel
from optuna_lfbo.helion._fork_server import start_server
from optuna_lfbo.helion._identity import identity_of
from optuna_lfbo.helion._ledger import RANDOM
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion._program import program_of
from optuna_lfbo.helion._setup import Setup
from optuna_lfbo.helion._task import (
    NEIGHBOUR,
    Configuration,
    ProgramTask,
    RejectedError,
    json_of,
)
from optuna_lfbo.helion.exceptions import KernelError
from optuna_lfbo.helion.space import KernelSpace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna.samplers import BaseSampler

    from optuna_lfbo.helion._compat import BoundKernel, Config, Kernel
    from optuna_lfbo.helion._jobs import Reference


class KernelTask(ProgramTask):
    """A kernel bound to arguments; made by `task_of`."""

    def __init__(
        self, kernel: Kernel, bound_kernel: BoundKernel, args: tuple[object, ...]
    ) -> None:
        self.kernel = kernel
        self.bound_kernel = bound_kernel
        self.space = KernelSpace(bound_kernel)
        self.device = bound_kernel.env.device
        self._args = args
        super().__init__(
            identity=identity_of(kernel, bound_kernel, args),
            distributions=self.space.distributions,
            seeds=[seed.config for seed in self.space.seeds],
            default=self.space.default.config,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (packed_kernel(self.kernel, whole=True), self._args)

    def configuration(self, params: Mapping[str, Any]) -> Mapping[str, object]:
        """Return the repaired configuration.

        Raises:
            RejectedError: Helion or the kernel's filter excludes it.
        """
        try:
            config = _compat.screened(self.bound_kernel, self.space.config(params))
        except _compat.InvalidConfig as error:
            raise RejectedError(str(error)) from error
        if config is None:
            raise RejectedError("Helion's screening or the kernel's autotune_config_filter")
        configuration: Mapping[str, object] = config.config
        return configuration

    def params(self, configuration: Mapping[str, object]) -> dict[str, Any]:
        """Return parameters that stand for ``configuration``."""
        return dict(self.space.params(configuration))

    def starts(self, n: int, seed: int | None) -> list[tuple[str, Configuration]]:
        """Return neighbours of the default configuration, and up to ``n`` random ones.

        With 30 parameters a search that learns from the random ones may take hundreds of trials
        to come to a plain neighbour of the default, which is sometimes all there is to find.
        """
        neighbours = self.neighbours(self.space.default.config)[: n // 2]
        return [
            *((NEIGHBOUR, configuration) for configuration in neighbours),
            *((RANDOM, json_of(config)) for config in self.space.random_configs(n, seed)),
        ]

    def neighbours(self, configuration: Mapping[str, object]) -> list[Configuration]:
        """Return the configurations that are one step of Helion's from another one.

        Raises:
            helion.exc.InvalidConfig: It is not one of this kernel.
        """
        return [json_of(other) for other in self.space.neighbours(self.config(configuration))]

    def reshaped(self, configuration: Mapping[str, object]) -> list[Configuration]:
        """Return the configurations with another shape of the tiles of another one.

        Raises:
            helion.exc.InvalidConfig: It is not one of this kernel.
        """
        return [json_of(other) for other in self.space.reshaped(self.config(configuration))]

    def reaccessed(self, configuration: Mapping[str, object]) -> list[Configuration]:
        """Return those neighbours of a configuration that access memory in another way.

        Raises:
            helion.exc.InvalidConfig: It is not one of this kernel.
        """
        return [json_of(other) for other in self.space.reaccessed(self.config(configuration))]

    def steps_from_both(
        self, configuration: Mapping[str, object], other: Mapping[str, object]
    ) -> list[tuple[Configuration, Configuration]]:
        """Return where each step leads two configurations.

        Raises:
            helion.exc.InvalidConfig: One of them is not one of this kernel.
        """
        pairs = self.space.steps_from_both(self.config(configuration), self.config(other))
        return [(json_of(ours), json_of(theirs)) for ours, theirs in pairs]

    def code(self, configuration: Mapping[str, object]) -> str:
        """Return what Helion generates here, where the arguments are."""
        code: str = self.bound_kernel.to_code(
            self.config(configuration),
            emit_repro_caller=self.bound_kernel.settings.print_output_code,
        )
        return code

    def config(self, configuration: Mapping[str, Any]) -> Config:
        """Return the configuration for ``helion.kernel(config=...)``.

        Raises:
            helion.exc.InvalidConfig: It is not one of this kernel.
        """
        return _compat.completed(self.bound_kernel, configuration)

    def sampler(self, seed: int | None = None) -> BaseSampler:
        """Return a sampler that knows which parameters are the same configuration."""
        # Worker processes import this module, and never scikit-learn.
        from optuna_lfbo.sampler import LFBOSampler

        return LFBOSampler(seed=seed, canonical=self.space.canonical)

    def setup(self) -> Setup:
        """Return the kernel; the reference is the result of its default configuration."""
        compile_s, measure_s = _compat.time_limits(self.bound_kernel)
        program = program_of(self.kernel, self._args)
        return Setup(program, self.device, self._reference, compile_s, measure_s)

    def _reference(self) -> Reference:
        try:
            # Triton launches on the current device, wherever the arguments are.
            with made_current(self.device):
                return _compat.reference_of(self.bound_kernel, self._args)
        except Exception as error:
            raise KernelError(
                f"The kernel {self.kernel.name!r} does not run with its default configuration, "
                f"so that nothing can be tuned: {one_line(_root_message(error))}"
            ) from error


def task_of(kernel: Any, args: Any) -> KernelTask:
    """Bind ``kernel`` to ``args``.

    Raises:
        TypeError: ``kernel`` is not a Helion kernel, or ``args`` do not fit its signature.
        KernelError: Helion cannot bind the kernel to the arguments.
    """
    if not isinstance(kernel, _compat.Kernel):
        raise TypeError(
            f"kernel must be a function decorated with @helion.kernel, got {kernel!r}."
        )
    checked = _checked_args(kernel, args)
    start_server()
    try:
        bound_kernel = kernel.bind(checked)
    except Exception as error:
        raise KernelError(
            f"Helion cannot bind the kernel {kernel.name!r} to its arguments: "
            f"{one_line(f'{type(error).__name__}: {error}')}"
        ) from error
    return KernelTask(kernel, bound_kernel, checked)


def _again(packed: bytes, args: tuple[object, ...]) -> KernelTask:
    return task_of(unpacked_kernel(packed), args)


def task_of_bound(bound_kernel: BoundKernel, args: Sequence[object]) -> KernelTask:
    """Take a kernel that Helion has bound to ``args``."""
    start_server()
    return KernelTask(bound_kernel.kernel, bound_kernel, tuple(args))


def _checked_args(kernel: Kernel, args: Any) -> tuple[object, ...]:
    if not isinstance(args, tuple | list):
        raise TypeError(
            f"args must be a tuple or list of the arguments of {kernel.name!r}, "
            f"got {type(args).__name__}."
        )
    try:
        return tuple(kernel.normalize_args(*args))
    except TypeError as error:
        raise TypeError(
            f"The {len(args)} args do not fit the kernel {kernel.name}{kernel.signature}: {error}."
        ) from error


def _root_message(error: BaseException) -> str:
    root = error.__cause__ or error
    return f"{type(root).__name__}: {root}"
