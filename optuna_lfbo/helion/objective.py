"""Latencies of a Helion kernel as the objective of an Optuna study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion._kernel_task import KernelTask, task_of
from optuna_lfbo.helion._multi_task import MultiTask, multi_task_of
from optuna_lfbo.helion._objective import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna_lfbo.helion._compat import Kernel


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


def helion_multi_objective(
    kernel: Kernel, arg_sets: Sequence[Sequence[object]]
) -> HelionObjective:
    """Return the objective that measures ``kernel`` with several sets of arguments.

    The value of a trial is the geometric mean, over the sets, of the latency divided by that
    of the set's default configuration, as measured when the objective is entered. The
    latencies are in the trial's ``latencies_ms``, those of the defaults in the study's
    ``default_latencies_ms``; the ``latency_ms`` and ``default_latency_ms`` of a result of
    ``tune`` are such means, too. A configuration has to work with all sets; the ``error`` of one
    that does not names the first set's shapes with which it fails.

    Example:
        ::

            objective = helion_multi_objective(matmul, [(small, small), (large, large)])
            result = objective.tune(n_trials=200)

    Args:
        kernel: A function decorated with ``helion.kernel``.
        arg_sets: The kernel's positional arguments, once for each shape. The search space is
            that of the first.

    Raises:
        TypeError: ``kernel`` is not a Helion kernel, or a set does not fit its signature.
        ValueError: There is no set, or they are not all on the same device.
        KernelError: Helion cannot bind the kernel to one of them.
    """
    return HelionObjective(multi_task_of(kernel, arg_sets))


class HelionObjective(Objective[Any]):
    """Measures the Helion configuration of a trial; made by :func:`helion_objective`.

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
    ``best_config`` returns a configuration that is ready for ``helion.kernel(config=...)``.

    Attributes:
        space: The search space.
        study_name: A readable default name for a study of this kernel, these arguments and
            this device.
        failures: Exception classes for the ``catch`` of ``study.optimize``.
    """

    def __init__(self, task: KernelTask | MultiTask) -> None:
        super().__init__(task)
        self.space = task.space
