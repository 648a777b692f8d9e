"""Latencies of a Helion kernel as the objective of an Optuna study."""

from __future__ import annotations

import json
import os
import platform
import threading
import weakref
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from optuna_lfbo.helion import _compat, _study
from optuna_lfbo.helion._identity import identity_of
from optuna_lfbo.helion._measure import outcome_of
from optuna_lfbo.helion._outcome import Outcome, one_line
from optuna_lfbo.helion.exceptions import KernelError, TrialFailedError, UnusableDeviceError
from optuna_lfbo.helion.space import KernelSpace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from optuna_lfbo.helion._compat import BoundKernel, Config, Kernel

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


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
    return HelionObjective(kernel, args)


class HelionObjective:
    """Measures the configuration of a trial; made by :func:`helion_objective`.

    Used as a context manager: entering it compiles and runs the kernel once for the baseline
    that every result is compared with, leaving it ends Helion's worker process. Calls from
    several threads are served one after another.

    Compiling, checking and timing are Helion's own (``LocalBenchmarkProvider``) and follow the
    kernel's settings: tolerances, time limits, ``autotune_baseline_fn`` and so on. On CUDA,
    kernels are compiled in a child process and timed in another.

    A trial gets the user attributes ``config`` (Helion's configuration after repair),
    ``status``, ``error`` (one line, unless ``status`` is ``"ok"``), ``compile_s`` and
    ``measure_s`` (wall-clock seconds before and since the first launch; what a backend
    compiles only at the launch, as Pallas does, counts as the latter), ``device`` and
    ``worker``. How often Helion repeats a measurement it does not tell.

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

    def __init__(self, kernel: Kernel, args: Sequence[object]) -> None:
        self._kernel = kernel
        self._args = _checked_args(kernel, args)
        self._bound_kernel = _bind(kernel, self._args)
        self._identity = identity_of(kernel, self._bound_kernel, self._args)
        self._provider: _compat.Provider | None = None
        self._lock = threading.Lock()
        self._ledgers: weakref.WeakKeyDictionary[optuna.Study, _study.Ledger] = (
            weakref.WeakKeyDictionary()
        )
        self.space = KernelSpace(self._bound_kernel)
        self.study_name = self._identity.study_name

    def __enter__(self) -> HelionObjective:
        """Compute the baseline and get ready to measure.

        Raises:
            KernelError: The kernel does not compile, or fails when it runs.
        """
        if self._provider is not None:
            raise RuntimeError("This objective has been entered already.")
        try:
            provider = _compat.Provider(self._bound_kernel, self._args)
        except Exception as error:
            raise KernelError(
                f"The kernel {self._kernel.name!r} does not run with its default configuration, "
                f"so that nothing can be tuned: {one_line(_root_message(error))}"
            ) from error
        provider.setup()
        self._provider = provider
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the worker process and release the baseline's memory."""
        provider, self._provider = self._provider, None
        if provider is not None:
            provider.cleanup()

    def __call__(self, trial: optuna.Trial) -> float:
        """Return the latency of the trial's configuration in milliseconds.

        Raises:
            TrialFailedError: The configuration cannot be measured; one of ``failures``.
            UnusableDeviceError: Nor can any other one, in this process.
            ValueError: The study is not one for this kernel, its arguments and device.
            RuntimeError: The objective is called outside its ``with`` block.
        """
        provider = self._provider
        if provider is None:
            raise RuntimeError(
                "The objective measures only within its context: "
                "`with helion_objective(kernel, args) as objective: study.optimize(objective)`."
            )
        with self._lock:
            ledger = self._ledger(trial.study)
        params = self.space.suggest(trial)
        trial.set_user_attr("device", self._identity.device)
        trial.set_user_attr("worker", f"{platform.node()}:{os.getpid()}")
        try:
            config = _compat.screened(self._bound_kernel, self.space.config(params))
        except _compat.InvalidConfig as error:
            return _concluded(trial, Outcome("rejected", error=one_line(str(error))))
        if config is None:
            reason = "Helion's screening or the kernel's autotune_config_filter excludes it"
            return _concluded(trial, Outcome("rejected", error=reason))
        trial.set_user_attr("config", _json_of(config))
        with self._lock:
            outcome = self._measured(provider, ledger, trial, config)
        return _concluded(trial, outcome)

    def enqueue_seeds(self, study: optuna.Study) -> None:
        """Put Helion's default configuration, then all seeds, before other trials.

        What the study has an outcome for, or waiting, is not enqueued again.

        Raises:
            ValueError: The study is not one for this kernel, its arguments and device.
        """
        seeds = [(config, _json_of(config)) for config in self.space.seeds]
        with self._lock:
            ledger = self._ledger(study)
            seeds = [seed for seed in seeds if ledger.outcome(study, seed[1]) is None]
        # Optuna's skip_if_exists would also skip seeds whose trial was interrupted.
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        known = [trial.user_attrs.get("config") for trial in waiting]
        for config, attribute in seeds:
            if attribute in known:
                continue
            try:
                params = self.space.params(config)
            except ValueError as error:
                _logger.warning(f"A seed is left out, as no trial can have it: {error}")
                continue
            study.enqueue_trial(params, user_attrs={"config": attribute})

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
        return _compat.completed(self._bound_kernel, config)

    def _ledger(self, study: optuna.Study) -> _study.Ledger:
        if study not in self._ledgers:
            _study.claim(study, self._identity)
            self._ledgers[study] = _study.Ledger()
        return self._ledgers[study]

    def _measured(
        self,
        provider: _compat.Provider,
        ledger: _study.Ledger,
        trial: optuna.Trial,
        config: Config,
    ) -> Outcome:
        key = _json_of(config)
        if (known := ledger.outcome(trial.study, key)) is not None:
            return known
        attempt = provider.attempt(config)
        outcome = outcome_of(attempt)
        ledger.add(trial.number, key, outcome)
        if outcome.latency_ms is not None and config == self.space.default:
            trial.study.set_user_attr(_study.DEFAULT_LATENCY, outcome.latency_ms)
        if attempt.fatal:
            _record(trial, outcome)
            raise UnusableDeviceError(
                f"Trial {trial.number} made the device unusable for this process: "
                f"{outcome.error}. Start a new process to go on with the study."
            ) from attempt.error
        return outcome


def _checked_args(kernel: Any, args: Any) -> tuple[object, ...]:
    if not isinstance(kernel, _compat.Kernel):
        raise TypeError(
            f"kernel must be a function decorated with @helion.kernel, got {kernel!r}."
        )
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


def _bind(kernel: Kernel, args: tuple[object, ...]) -> BoundKernel:
    try:
        return kernel.bind(args)
    except Exception as error:
        raise KernelError(
            f"Helion cannot bind the kernel {kernel.name!r} to its arguments: "
            f"{one_line(f'{type(error).__name__}: {error}')}"
        ) from error


def _root_message(error: BaseException) -> str:
    root = error.__cause__ or error
    return f"{type(root).__name__}: {root}"


def _json_of(config: Config) -> dict[str, Any]:
    # Through text, so that it equals what a storage gives back.
    return dict(json.loads(json.dumps(config.config)))


def _concluded(trial: optuna.Trial, outcome: Outcome) -> float:
    _record(trial, outcome)
    if outcome.latency_ms is None:
        raise TrialFailedError(outcome.status, outcome.error or "")
    return outcome.latency_ms


def _record(trial: optuna.Trial, outcome: Outcome) -> None:
    trial.set_user_attr("status", outcome.status)
    if outcome.error is not None:
        trial.set_user_attr("error", outcome.error)
    trial.set_user_attr("compile_s", round(outcome.compile_s, 4))
    trial.set_user_attr("measure_s", round(outcome.measure_s, 4))
