"""Latencies of a Helion kernel as the objective of an Optuna study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_lfbo.helion import _compat
from optuna_lfbo.helion._kernel_task import KernelTask, task_of
from optuna_lfbo.helion._outcome import Outcome
from optuna_lfbo.helion.exceptions import TrialFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    import optuna

    from optuna_lfbo.helion._compat import Config, Kernel
    from optuna_lfbo.helion._engine import Engine


def helion_objective(kernel: Kernel, args: Sequence[object]) -> HelionObjective:
    """Return the objective that measures ``kernel``, called with ``args``.

    Example:
        ::

            with helion_objective(matmul, (x, y)) as objective:
                sampler = LFBOSampler(canonical=objective.space.canonical)
                study = optuna.create_study(study_name=objective.study_name, sampler=sampler)
                objective.enqueue_seeds(study)
                study.optimize(objective, n_trials=100, catch=objective.failures)
            print(objective.best_config(study))

    Args:
        kernel: A function decorated with ``helion.kernel``.
        args: The kernel's positional arguments, as a tuple or list. Their device is the one
            that is tuned for.

    Raises:
        TypeError: ``kernel`` is not a Helion kernel, or ``args`` do not fit its signature.
        KernelError: Helion cannot bind the kernel to the arguments.
    """
    return HelionObjective(task_of(kernel, args))


class HelionObjective:
    """Measures the configuration of a trial; made by :func:`helion_objective`.

    Used as a context manager: entering it runs the kernel once for the baseline that every
    result is compared with and starts the processes that compile and measure, leaving it ends
    them. A configuration that hangs or crashes costs its process, not the study. Calls from
    several threads compile side by side and are measured one after another.

    Code generation, the baseline, the check and the timing are Helion's own and follow the
    kernel's settings: tolerances, time limits, ``autotune_baseline_fn`` and so on.

    A trial gets the user attributes ``config`` (Helion's configuration after repair),
    ``status``, ``error`` (one line, unless ``status`` is ``"ok"``), ``compile_s`` and
    ``measure_s`` (seconds; what a backend compiles only at the launch, as Pallas does, counts
    as the latter), ``device`` and ``worker``. How often Helion repeats a measurement it does
    not tell.

    A study gets ``kernel``, ``source_hash``, ``args``, ``device`` and ``versions``, which say
    what it is about, and ``default_latency_ms`` once Helion's default has been measured. A
    study that was made for something else is refused.

    Trials whose parameters give a configuration that the study has an outcome for share it
    without being compiled or measured again, with the status ``"duplicate"`` for a latency.

    Attributes:
        space: The search space.
        study_name: A readable default name for a study of this kernel, these arguments and
            this device.
        failures: Exception classes for the ``catch`` of ``study.optimize``.
    """

    failures: tuple[type[Exception], ...] = (TrialFailedError,)

    def __init__(self, task: KernelTask) -> None:
        self._task = task
        self._engine: Engine | None = None
        self.space = task.space
        self.study_name = task.identity.study_name

    def __enter__(self) -> HelionObjective:
        """Compute the baseline and get ready to measure.

        Raises:
            KernelError: The kernel does not compile, or fails when it runs.
        """
        if self._engine is not None:
            raise RuntimeError("This objective has been entered already.")
        self._engine = self._task.engine(n_compilers=1)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes and release the baseline's memory."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def __call__(self, trial: optuna.Trial) -> float:
        """Return the latency of the trial's configuration in milliseconds.

        Raises:
            TrialFailedError: The configuration cannot be measured; one of ``failures``.
            UnusableDeviceError: Nor can any other one.
            ValueError: The study is not one for this kernel, its arguments and device.
            RuntimeError: The objective is called outside its ``with`` block.
        """
        if self._engine is None:
            raise RuntimeError(
                "The objective measures only within its context: "
                "`with helion_objective(kernel, args) as objective: study.optimize(objective)`."
            )
        begun = self._task.begin(trial)
        if isinstance(begun, Outcome):
            outcome, configuration = begun, None
        else:
            outcome, configuration = self._engine.measure(begun), begun
        self._task.conclude(trial, configuration, outcome)
        if outcome.latency_ms is None:
            raise TrialFailedError(outcome.status, outcome.error or "")
        return outcome.latency_ms

    def enqueue_seeds(self, study: optuna.Study) -> None:
        """Put Helion's default configuration, then all seeds, before other trials.

        What the study has an outcome for, or waiting, is not enqueued again.

        Raises:
            ValueError: The study is not one for this kernel, its arguments and device.
        """
        self._task.enqueue(study, self._task.seeds)

    def best_config(self, study: optuna.Study) -> Config:
        """Return the fastest configuration measured, ready for ``helion.kernel(config=...)``.

        Raises:
            ValueError: No trial of the study has succeeded yet, or the best one does not say
                which configuration it measured.
            helion.exc.InvalidConfig: What it says is not a configuration of this kernel.
        """
        trial = study.best_trial
        config = trial.user_attrs.get("config")
        if not isinstance(config, dict):
            raise ValueError(
                f"Trial {trial.number} of the study {study.study_name!r} has no configuration "
                "on record; it was not made by this objective."
            )
        return _compat.completed(self._task.bound_kernel, config)
