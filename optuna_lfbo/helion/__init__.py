"""Tuning of Helion kernels by Optuna studies.

:func:`helion_objective` measures one configuration of a kernel as one trial,
:func:`helion_multi_objective` with several shapes; :func:`tune` keeps many trials in flight;
:class:`KernelSpace` is the kernel's search space in Optuna's terms. :func:`autotuner` and
:class:`OptunaSearch` are for Helion's own autotuning: importing this package registers the
latter for ``HELION_AUTOTUNER=OptunaSearch``.
"""

try:
    import helion as _helion  # type: ignore[import-untyped]  # noqa: F401
except ImportError as error:
    raise ImportError(
        "optuna_lfbo.helion needs Helion, which could not be imported; install it with: "
        'pip install "optuna_lfbo[helion]"'
    ) from error

from optuna_lfbo.helion.exceptions import (
    DiskFullError,
    KernelError,
    TrialFailedError,
    UnusableDeviceError,
)
from optuna_lfbo.helion.objective import (
    HelionObjective,
    helion_multi_objective,
    helion_objective,
)
from optuna_lfbo.helion.search import OptunaSearch, autotuner
from optuna_lfbo.helion.space import KernelSpace
from optuna_lfbo.helion.tuner import TuneResult, tune

__all__ = [
    "DiskFullError",
    "HelionObjective",
    "KernelError",
    "KernelSpace",
    "OptunaSearch",
    "TrialFailedError",
    "TuneResult",
    "UnusableDeviceError",
    "autotuner",
    "helion_multi_objective",
    "helion_objective",
    "tune",
]
