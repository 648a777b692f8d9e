"""What every objective of latencies has in common."""

from __future__ import annotations

import os
import platform
import threading
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

from optuna_lfbo.helion._ledger import Ledger
from optuna_lfbo.helion._outcome import Outcome
from optuna_lfbo.helion.exceptions import TrialFailedError
from optuna_lfbo.helion.tuner import tuned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    import optuna
    import torch
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from typing_extensions import Self

    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._task import Configuration, Task
    from optuna_lfbo.helion.tuner import StudyCallback, TuneResult

ConfigT = TypeVar("ConfigT")


class Objective(Generic[ConfigT]):
    """Measures the configuration of a trial.

    Used as a context manager: entering it computes what every result is compared with and
    starts the processes that compile and measure, leaving it ends them. A configuration that
    hangs or crashes costs its process, not the study. Calls from several threads compile side
    by side and are measured one after another.

    A trial gets the user attributes ``config``, ``status``, ``error`` (one line, unless
    ``status`` is ``"ok"``), ``compile_s`` and ``measure_s`` (seconds), ``device`` and
    ``worker``.

    A study gets ``kernel``, ``source_hash``, ``args``, ``device`` and ``versions``, which say
    what it is about, and ``default_latency_ms`` once the default has been measured. A study
    that was made for something else is refused.

    Trials whose parameters give a configuration that the study has an outcome for share it
    without being compiled or measured again, with the status ``"duplicate"`` for a latency.

    Attributes:
        study_name: A readable default name for a study of this program, these arguments and
            this device.
        failures: Exception classes for the ``catch`` of ``study.optimize``.
    """

    failures: tuple[type[Exception], ...] = (TrialFailedError,)

    def __init__(self, task: Task) -> None:
        self._task = task
        self._engine: Measurer | None = None
        self._lock = threading.Lock()
        self._ledgers: weakref.WeakKeyDictionary[optuna.Study, Ledger] = (
            weakref.WeakKeyDictionary()
        )
        self.study_name = task.identity.study_name

    def __enter__(self) -> Self:
        """Get ready to measure.

        Raises:
            KernelError: Nothing can be measured, as what is tuned is broken itself.
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
        """End the processes."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def __call__(self, trial: optuna.Trial) -> float:
        """Return the latency of the trial's configuration in milliseconds.

        Raises:
            TrialFailedError: The configuration cannot be measured; one of ``failures``.
            UnusableDeviceError: Nor can any other one.
            DiskFullError: There is no room for what compilers write.
            ValueError: The study is not one for this program, its arguments and device.
            RuntimeError: The objective is called outside its ``with`` block.
        """
        if self._engine is None:
            raise RuntimeError(
                "The objective measures only within its context: "
                "`with objective: study.optimize(objective, ...)`."
            )
        begun = self._begun(trial)
        if isinstance(begun, Outcome):
            outcome, configuration = begun, None
        else:
            outcome, configuration = self._engine.measure(begun), begun
            with self._lock:
                self._ledgers[trial.study].add(trial.number, configuration, outcome)
        self._task.conclude(trial, configuration, outcome)
        if outcome.latency_ms is None:
            raise TrialFailedError(outcome.status, outcome.error or "")
        return outcome.latency_ms

    def _begun(self, trial: optuna.Trial) -> Configuration | Outcome:
        """The configuration to measure, or an outcome that is known without."""
        self._task.claim(trial.study)
        proposal = self._task.proposed(trial, f"{platform.node()}:{os.getpid()}")
        if isinstance(proposal, Outcome):
            return proposal
        trials = trial.study.get_trials(deepcopy=False)
        with self._lock:
            ledger = self._ledgers.setdefault(trial.study, Ledger())
            ledger.read(trials)
            return ledger.outcome(proposal) or proposal

    def enqueue_seeds(self, study: optuna.Study) -> None:
        """Put the default configuration, then all seeds, before other trials.

        What the study has an outcome for, or waiting, is not enqueued again.

        Raises:
            ValueError: The study is not one for this program, its arguments and device.
        """
        self._task.enqueue(study, self._task.seeds, "seed")

    def best_config(self, study: optuna.Study) -> ConfigT:
        """Return the fastest configuration measured, ready to be used.

        Raises:
            ValueError: No trial of the study has succeeded yet, or the best one does not say
                which configuration of this program it measured.
        """
        trial = study.best_trial
        configuration = trial.user_attrs.get("config")
        if not isinstance(configuration, dict):
            raise ValueError(
                f"Trial {trial.number} of the study {study.study_name!r} has no configuration "
                "on record; it was not made by this objective."
            )
        origin = f"The attribute config of trial {trial.number}"
        config: ConfigT = self._task.recorded(configuration, origin)
        return config

    def tune(
        self,
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
    ) -> TuneResult[ConfigT]:
        """Find the fastest configuration, with many of them in flight.

        Called outside the ``with`` block, as it starts its own processes. The arguments and
        the result are those of :func:`optuna_lfbo.helion.tune`.

        Raises:
            KernelError: Nothing can be measured, or no configuration works.
            ValueError: The study is not one for this program, its arguments and device.
            RuntimeError: The objective is in use.
        """
        if self._engine is not None:
            raise RuntimeError("Call tune() outside the `with` block of the objective.")
        return tuned(
            self._task,
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
