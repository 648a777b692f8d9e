"""A kernel with several sets of arguments, or on several kinds of devices, as one task."""

from __future__ import annotations

import dataclasses
import functools
import weakref
from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion._kernel_task import KernelTask, task_of
from optuna_lfbo.helion._multi_engine import MultiEngine
from optuna_lfbo.helion._setup import engines
from optuna_lfbo.helion._task import ProgramTask, Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna
    from optuna.samplers import BaseSampler

    from optuna_lfbo.helion._compat import Config, Kernel
    from optuna_lfbo.helion._identity import Identity
    from optuna_lfbo.helion._outcome import Outcome
    from optuna_lfbo.helion._task import Configuration
    from optuna_lfbo.helion.space import KernelSpace

DEFAULT_LATENCIES = "default_latencies_ms"
ANY = "any"
"""The device of studies that several kinds of devices share."""


class MultiTask(Task):
    """Configurations are those for the first set; made by `multi_task_of` and `on_any_device`.

    Args:
        tasks: The program with each set.
        on_any_device: Whether the study may hold values of several kinds of devices.

    Raises:
        ValueError: One of them has no default to compare with.
    """

    metric = "latency_over_default"

    def __init__(self, tasks: Sequence[ProgramTask], *, on_any_device: bool = False) -> None:
        self._tasks = tasks
        self._first = tasks[0]
        self._on_any_device = on_any_device
        self._default_latencies_ms: list[float] = []
        self._compared: weakref.WeakSet[optuna.Study] = weakref.WeakSet()
        self._defaults = [_default(task) for task in tasks]
        identity = _identity([task.identity for task in tasks])
        if on_any_device:
            args = identity.args if len(tasks) > 1 else tasks[0].identity.args
            identity = dataclasses.replace(identity, args=args, device=ANY)
        super().__init__(
            identity=identity,
            distributions=self._first.distributions,
            seeds=self._first.seeds,
            default=self._first.default,
        )
        self.device = self._first.device
        self.device_name = self._first.identity.device

    @property
    def space(self) -> KernelSpace:
        """The search space of the first."""
        assert isinstance(self._first, KernelTask)
        return self._first.space

    def __reduce__(self) -> tuple[Any, ...]:
        make = functools.partial(MultiTask, on_any_device=self._on_any_device)
        return make, (self._tasks,)

    def configuration(self, params: Mapping[str, Any]) -> Mapping[str, object]:
        """Return the repaired configuration.

        Raises:
            RejectedError: Helion or the kernel's filter excludes it.
        """
        return self._first.configuration(params)

    def params(self, configuration: Mapping[str, object]) -> dict[str, Any]:
        """Return parameters that stand for ``configuration``."""
        return self._first.params(configuration)

    def config(self, configuration: Mapping[str, Any]) -> Config:
        """Return the configuration for ``helion.kernel(config=...)``."""
        return self._first.config(configuration)

    def sampler(self, seed: int | None = None) -> BaseSampler:
        """Return a sampler that knows which parameters are the same configuration."""
        return self._first.sampler(seed)

    def starts(self, n: int, seed: int | None) -> list[tuple[str, Configuration]]:
        """Return configurations to begin with where nothing is known, with their origins."""
        return self._first.starts(n, seed)

    def neighbours(self, configuration: Configuration) -> list[Configuration]:
        """Return configurations that are one step from another one."""
        return self._first.neighbours(configuration)

    def reshaped(self, configuration: Configuration) -> list[Configuration]:
        """Return configurations that several steps which belong together lead to."""
        return self._first.reshaped(configuration)

    def reaccessed(self, configuration: Configuration) -> list[Configuration]:
        """Return those neighbours that access memory in another way."""
        return self._first.reaccessed(configuration)

    def steps_from_both(
        self, configuration: Configuration, other: Configuration
    ) -> list[tuple[Configuration, Configuration]]:
        """Return where each step leads two configurations."""
        return self._first.steps_from_both(configuration, other)

    def engine(self, n_compilers: int | None = None) -> MultiEngine:
        """Run the kernel with each set, and time the defaults.

        Raises:
            KernelError: The kernel does not compile or run with one of them, or cannot be
                sent to a process.
        """
        ours = engines([task.setup() for task in self._tasks], n_compilers)
        try:
            names = [_name(position, task) for position, task in enumerate(self._tasks)]
            engine = MultiEngine(ours, self._defaults, names)
        except BaseException:
            for single in ours:
                single.close()
            raise
        self._default_latencies_ms = engine.default_latencies_ms
        return engine

    def conclude(
        self, trial: optuna.Trial, configuration: Configuration | None, outcome: Outcome
    ) -> None:
        """Record an outcome, and with the first one what latencies are compared with."""
        super().conclude(trial, configuration, outcome)
        if trial.study not in self._compared:
            self._compared.add(trial.study)
            if DEFAULT_LATENCIES not in trial.study.user_attrs:
                trial.study.set_user_attr(DEFAULT_LATENCIES, self._default_latencies_ms)


def multi_task_of(kernel: Kernel, arg_sets: Any) -> MultiTask:
    """Bind ``kernel`` to each set of arguments.

    Raises:
        TypeError: ``kernel`` is not a Helion kernel, or a set does not fit its signature.
        ValueError: There is no set, or they are not all on the same device.
        KernelError: Helion cannot bind the kernel to one of them.
    """
    if not isinstance(arg_sets, tuple | list):
        raise TypeError(
            "arg_sets must be a list with a tuple of arguments for each shape, "
            f"got {type(arg_sets).__name__}."
        )
    if not arg_sets:
        raise ValueError("arg_sets is empty: expected at least one tuple of arguments.")
    return MultiTask([task_of(kernel, args) for args in arg_sets])


def on_any_device(task: Task) -> MultiTask:
    """Return ``task`` with values that compare between devices: latency over the default's.

    Raises:
        ValueError: It has no default.
    """
    if isinstance(task, MultiTask):
        return MultiTask(task._tasks, on_any_device=True)
    assert isinstance(task, ProgramTask)
    return MultiTask([task], on_any_device=True)


def _default(task: ProgramTask) -> Configuration:
    if task.default is None:
        raise ValueError(
            f"{task.identity.kernel!r} has no default, which latencies could be compared with: "
            "pass it as the first of the seeds."
        )
    return task.default


def _identity(identities: Sequence[Identity]) -> Identity:
    if len(devices := {identity.device for identity in identities}) > 1:
        raise ValueError(f"arg_sets must be on one device, they are on {sorted(devices)}.")
    return dataclasses.replace(identities[0], args=[identity.args for identity in identities])


def _name(position: int, task: ProgramTask) -> str:
    return f"arg_sets[{position}] ({', '.join(task.identity.shapes)})"
