"""Tuning a kernel as a pipeline: many configurations compile while one is measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from optuna_lfbo.helion._final import compare, default_latency, winner_of
from optuna_lfbo.helion._kernel_task import task_of
from optuna_lfbo.helion._members import Members
from optuna_lfbo.helion._pipeline import Pipeline
from optuna_lfbo.helion._progress import Progress
from optuna_lfbo.helion._stop import StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion.exceptions import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import optuna
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._compat import Kernel
    from optuna_lfbo.helion._task import Task

ConfigT = TypeVar("ConfigT")

_N_STARTS = 100
"""Random configurations before the sampler's. The seeds are good, but where they are is often
not where the best ones are, and with a pipeline a hundred trials are a few seconds."""


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
        storage: Where the study is kept, as for ``optuna.create_study``. A study that is
            there already goes on.
        study_name: Its name; by default one made of the kernel, the arguments and the device.
        n_trials: Configurations to measure at most, those of an earlier run not counted.
        timeout: Seconds after which no new configuration is started.
        show_progress_bar: Whether to show on the terminal what has been found so far.

    Returns:
        The result; its study holds every trial with the attributes that
        :class:`HelionObjective` describes, and ``first_look`` on those that were not
        measured to the end.

    Raises:
        TypeError: ``kernel`` is not a Helion kernel, or ``args`` do not fit its signature.
        KernelError: The kernel does not run at all, or no configuration of it does.
        ValueError: The study is for another kernel, other arguments or another device.
    """
    return tuned(
        task_of(kernel, args),
        sampler=sampler,
        seed=seed,
        storage=storage,
        study_name=study_name,
        n_trials=n_trials,
        timeout=timeout,
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
    show_progress_bar: bool,
) -> TuneResult[Any]:
    """Tune ``task`` as :func:`tune` does a Helion kernel."""
    study = open_study(
        study_name or task.identity.study_name, storage, sampler or task.sampler(seed)
    )
    return run(task, study, StopRule(n_trials, timeout), seed, show_progress_bar)


def run(
    task: Task,
    study: optuna.Study,
    stop: StopRule,
    seed: int | None,
    show_progress: bool,
) -> TuneResult[Any]:
    """Tune ``task`` with a study that exists.

    Raises:
        KernelError: No configuration works.
    """
    reason = conduct(task, study, stop, seed, show_progress)
    best = winner_of(study)
    if best is None:
        raise KernelError(
            f"None of the configurations of {task.identity.kernel!r} that were tried works."
        )
    config = task.config(best.configuration)
    return TuneResult(config, best.latency_ms, default_latency(study), study, reason)


def conduct(
    task: Task,
    study: optuna.Study,
    stop: StopRule,
    seed: int | None,
    show_progress: bool = False,
    told: Callable[[FrozenTrial], None] = lambda trial: None,
) -> str:
    """Run trials and the final comparison.

    Returns:
        Why tuning ended.
    """
    started = time.perf_counter()
    task.claim(study)
    with Members(study) as members:
        stop.join(time.time() - members.me.session)
        if members.is_first:
            _enqueue_first(task, study, stop, seed)
        engine = task.engine()
        try:
            pipeline = Pipeline(task, engine, study, members, stop, told)
            with Progress(engine, show_progress) as progress:
                reason = pipeline.run(progress)
            if reason != "interrupted":
                compare(task, engine, study, members)
        finally:
            engine.close()
    wall_s = time.perf_counter() - started
    _record(study, reason, wall_s, busy_s=engine.busy_s, asking_s=pipeline.asking_s)
    return reason


def _enqueue_first(task: Task, study: optuna.Study, stop: StopRule, seed: int | None) -> None:
    """Put the seeds, and some random configurations if the study is new, before all else."""
    is_new = not any(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
    task.enqueue(study, task.seeds)
    if is_new:
        task.enqueue(study, task.starts(_n_starts(stop.n_trials), seed))


def _n_starts(n_trials: int | None) -> int:
    return _N_STARTS if n_trials is None else min(_N_STARTS, n_trials // 3)


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
