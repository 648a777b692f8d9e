"""Tuning a kernel as a pipeline: many configurations compile while one is measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import optuna

from optuna_lfbo._winner import default_latency, winner_of
from optuna_lfbo.helion._devices import (
    Order,
    checked_devices,
    conduct_on,
    in_memory,
    shared_storage,
)
from optuna_lfbo.helion._final import compare
from optuna_lfbo.helion._kernel_task import task_of
from optuna_lfbo.helion._members import Members
from optuna_lfbo.helion._multi_task import on_any_device
from optuna_lfbo.helion._pipeline import Pipeline
from optuna_lfbo.helion._progress import Progress
from optuna_lfbo.helion._signals import interruptible
from optuna_lfbo.helion._starts import Starts, plan_starts
from optuna_lfbo.helion._stop import INTERRUPTED, StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion._tuning_storage import patient
from optuna_lfbo.helion.exceptions import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._compat import Kernel
    from optuna_lfbo.helion._crew import Crew
    from optuna_lfbo.helion._task import Task

    StudyCallback: TypeAlias = Callable[[optuna.Study, FrozenTrial], None]

ConfigT = TypeVar("ConfigT")

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


@dataclass(frozen=True)
class TuneResult(Generic[ConfigT]):
    """What :func:`tune` found.

    Attributes:
        config: The fastest configuration, ready for ``helion.kernel(config=...)`` if it is
            Helion's.
        latency_ms: Its latency in milliseconds, from the final comparison.
        default_latency_ms: That of the default in the same comparison; None if there is none
            that works.
        study: All trials.
        stop_reason: Why tuning ended.
    """

    config: ConfigT
    latency_ms: float
    default_latency_ms: float | None
    study: optuna.Study
    stop_reason: str

    @property
    def speed_up(self) -> float | None:
        """How many times faster than the default."""
        return (
            None if self.default_latency_ms is None else self.default_latency_ms / self.latency_ms
        )


def tune(
    kernel: Kernel,
    args: Sequence[object],
    *,
    sampler: BaseSampler | None = None,
    seed: int | None = None,
    storage: str | BaseStorage | None = None,
    study_name: str | None = None,
    n_trials: int | None = None,
    timeout: float | None = None,
    devices: Sequence[int | str | torch.device] | None = None,
    mixed_devices: bool = False,
    callbacks: Sequence[StudyCallback] = (),
    show_progress_bar: bool = False,
) -> TuneResult[Any]:
    """Find the fastest configuration of a Helion kernel for ``args``.

    Configurations compile in as many processes as the machine has cores to spare, while one
    process measures those that are ready. Candidates that a few launches show to be clearly
    slower than the best are not measured any further. In the end the best ones, the default
    and the seeds are timed once more, in turn.

    Example:
        ::

            result = tune(matmul, (x, y), storage="sqlite:///tuning.db")
            print(result.config, result.speed_up)

    Args:
        kernel: A function decorated with ``helion.kernel``.
        args: Its positional arguments. Their device is the one that is tuned for.
        sampler: Proposes configurations; an `LFBOSampler` that knows which parameters are the
            same configuration by default.
        seed: Of the default sampler and the first random configurations. Runs differ even so,
            as they depend on timings.
        storage: Where the study is kept: a storage of Optuna's, the URL of a database,
            ``redis://host:port``, ``grpc://host:port`` of Optuna's proxy server, or the path of
            a journal file; in memory by default. A study that is there already goes on, and
            processes that tune at the same time share it.
        study_name: Its name; by default one made of the kernel, the arguments and the device.
        n_trials: Configurations to measure at most, by all workers together; those of an
            earlier run not counted.
        timeout: Seconds after which no new configuration is started.
        devices: Devices of this machine to tune on, each by a process of its own: ``[0, 1]``
            for two GPUs, ``["cpu", "cpu"]`` for two workers on the CPU. By default this process
            tunes on the device of ``args``.
        mixed_devices: Whether workers with other models of devices may share the study. Values
            are then latency over that of the default on the same device, and so are
            ``latency_ms`` and ``default_latency_ms`` of the result.
        callbacks: Called with the study and each trial that has ended, as those of
            ``study.optimize``; such as an `optuna_lfbo.dashboard.DashboardCallback`.
        show_progress_bar: Whether to show on the terminal what has been found so far.

    Returns:
        The result; its study holds every trial with the attributes that
        :class:`HelionObjective` describes, and ``first_look`` on those that were not
        measured to the end.

    Raises:
        TypeError: ``kernel`` is not a Helion kernel, ``args`` do not fit its signature, or
            ``devices`` are none.
        KernelError: The kernel does not run at all, or no configuration of it does.
        ValueError: The study is for another kernel, other arguments or another device; the
            ``devices`` are not there or not of the kind that ``args`` are on.
        KeyboardInterrupt: Tuning was interrupted before any configuration was measured.
    """
    return tuned(
        task_of(kernel, args),
        sampler=sampler,
        seed=seed,
        storage=storage,
        study_name=study_name,
        n_trials=n_trials,
        timeout=timeout,
        devices=devices,
        mixed_devices=mixed_devices,
        callbacks=callbacks,
        show_progress_bar=show_progress_bar,
    )


def tuned(
    task: Task,
    *,
    sampler: BaseSampler | None,
    seed: int | None,
    storage: str | BaseStorage | None,
    study_name: str | None,
    n_trials: int | None,
    timeout: float | None,
    devices: Sequence[int | str | torch.device] | None,
    mixed_devices: bool,
    callbacks: Sequence[StudyCallback],
    show_progress_bar: bool,
) -> TuneResult[Any]:
    """Tune ``task`` as :func:`tune` does a Helion kernel."""
    task = on_any_device(task) if mixed_devices else task
    name = study_name or task.identity.study_name
    own_sampler = sampler or task.sampler(seed)
    stop = StopRule(n_trials, timeout)

    def told(trial: FrozenTrial) -> None:
        for callback in callbacks:
            callback(study, trial)

    if devices is None:
        study = open_study(name, storage, own_sampler)
        return _result(task, study, conduct(task, study, stop, seed, show_progress_bar, told))
    found = checked_devices(devices, task)
    with shared_storage(storage) as shared:
        study = open_study(name, shared, own_sampler)
        ours = patient(study)
        task.claim(ours)
        session = time.time(), len(ours.get_trials(deepcopy=False))
        _begin(task, ours, stop, seed)
        verbosity = optuna.logging.get_verbosity()
        order = Order(task, shared, name, sampler, seed, n_trials, timeout, session, verbosity)
        with interruptible():
            reason = conduct_on(found, order, ours, show_progress_bar, told)
        if storage is None:
            study = in_memory(study)
    return _result(task, study, reason)


def _result(task: Task, study: optuna.Study, reason: str) -> TuneResult[Any]:
    """What the study tells.

    Raises:
        KernelError: No configuration works.
        KeyboardInterrupt: Tuning was interrupted before any was measured.
        ValueError: What the study has for the best one is none of this task.
    """
    ours = patient(study)
    best = winner_of(ours)
    if best is None and reason == INTERRUPTED:
        raise KeyboardInterrupt
    if best is None:
        raise KernelError(
            f"None of the configurations of {task.identity.kernel!r} that were tried works."
        )
    config = task.recorded(best.configuration, "The best configuration on record")
    if reason == INTERRUPTED:
        _logger.warning(f"Interrupted. The best so far takes {best.latency_ms:.4g} ms: {config}")
    return TuneResult(config, best.latency_ms, default_latency(ours.user_attrs), study, reason)


def conduct(
    task: Task,
    study: optuna.Study,
    stop: StopRule,
    seed: int | None,
    show_progress: bool = False,
    told: Callable[[FrozenTrial], None] = lambda trial: None,
    session: tuple[float, int] | None = None,
    crew: Crew | None = None,
) -> str:
    """Run trials and the final comparison.

    Args:
        task: What is tuned.
        study: Holds the trials.
        stop: When to stop.
        seed: Of the first random configurations.
        show_progress: Whether to show on the terminal what has been found so far.
        told: Called with each trial that has ended.
        session: When the tuning began that this process takes part in, and how many trials
            the study had then; None to look for others that tune, or to begin anew.
        crew: Waits for the engine's processes; threads by default.

    Returns:
        Why tuning ended.
    """
    started = stop.clock()
    ours = patient(study)
    task.claim(ours)
    with interruptible(), Members(study, session) as members:
        try:
            if members.is_first:
                _begin(task, ours, stop, seed)
            else:
                stop.join(time.time() - members.me.session)
            starts = Starts(task, ours)
            engine = task.engine()
            try:
                pipeline = Pipeline(task, engine, study, members, stop, starts, told, crew)
                with Progress(engine, ours, stop, show_progress) as progress:
                    reason = pipeline.run(progress)
                if reason != INTERRUPTED:
                    compare(task, engine, ours, members)
            finally:
                engine.close()
        except KeyboardInterrupt:
            return INTERRUPTED
        wall_s = stop.clock() - started
        _record(ours, reason, wall_s, busy_s=engine.busy_s, asking_s=pipeline.asking_s)
    return reason


def _begin(task: Task, study: optuna.Study, stop: StopRule, seed: int | None) -> None:
    """Put the seeds, and some random configurations if the study is new, before all else."""
    plan_starts(study, stop.n_trials, seed)
    task.enqueue(study, task.seeds, "seed")


def _record(
    study: optuna.Study, reason: str, wall_s: float, busy_s: float, asking_s: float
) -> None:
    """Keep how the time was spent."""
    study.set_user_attr(
        "tuning",
        {
            "stop_reason": reason,
            "wall_s": round(wall_s, 3),
            "device_busy_share": round(busy_s / wall_s, 4),
            "sampler_share": round(asking_s / wall_s, 4),
        },
    )
