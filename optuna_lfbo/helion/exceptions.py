"""Exceptions of the Helion adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna_lfbo.helion._outcome import Status


class KernelError(RuntimeError):
    """The kernel itself is broken: it does not bind, compile or run even once.

    No configuration can be measured then. Helion's own exception is the ``__cause__``.
    """


class TrialFailedError(RuntimeError):
    """A configuration could not be measured; its trial ends as FAIL.

    Catch it in ``study.optimize(objective, catch=objective.failures)`` to go on with the
    next trial.

    Attributes:
        status: Why, as the trial's user attribute ``status`` says it.
        reason: One line of explanation, the trial's user attribute ``error``.
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        """Return the status and the reason."""
        return f"{self.status}: {self.reason}"


class UnusableDeviceError(RuntimeError):
    """A configuration broke this process's access to the device for good.

    Every later measurement in the process would fail too, so the study has to stop. A new
    process resumes it; the configuration that did it is on record and not measured again.
    """


class DiskFullError(RuntimeError):
    """There has been no room on the disk for a while for what compilers write.

    No configuration is to blame, so the study has to stop. The same call goes on with it when
    there is room.
    """
