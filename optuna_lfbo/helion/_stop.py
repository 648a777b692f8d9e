"""When tuning is done."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED: Final = "interrupted"
"""The reason for the end after a KeyboardInterrupt."""

_PATIENCE = 400
_PATIENCE_SHARE = 0.25
IMPROVEMENT = 0.01
_IMPATIENCE = 0.25
_EXHAUSTION = 50
_GRACE_S = 5.0


class StopRule:
    """Decides when no more trials are worth their time.

    Tuning ends without more improvement after ``max(400, a quarter of all)`` measured
    configurations in a row none of which was at least 1 % faster than the best before. Random
    ones, tiles of other shapes and detours in between do not count: they say nothing of what the
    sampler is going to find.

    Args:
        n_trials: Configurations to measure at most; None for no limit.
        timeout: Seconds from now, though at least one configuration is measured; None for no
            limit.
        clock: Returns seconds; the host's by default.

    Attributes:
        clock: The same.
        n_started: Configurations that all workers together have begun to measure.
    """

    def __init__(
        self,
        n_trials: int | None,
        timeout: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.n_trials = n_trials
        self._timeout = math.inf if timeout is None else timeout
        self._deadline = self.clock() + self._timeout
        self.n_started = 0
        self._n_finished = 0
        self._n_known = 0
        self._best = math.inf
        self._n_vain = 0
        self._n_free = 0
        self._ended: str | None = None

    def join(self, began_s: float) -> None:
        """Count the timeout from when others began to tune, ``began_s`` seconds ago."""
        self._deadline = min(self._deadline, self.clock() - began_s + self._timeout)

    def start(self) -> None:
        """Enter a configuration that this worker is going to measure."""
        self._n_known = 0

    def skip(self) -> None:
        """Enter a trial whose outcome was known beforehand."""
        self._n_known += 1

    def end(self, reason: str) -> None:
        """Start no further configuration, for a reason that is not known here."""
        self._ended = reason

    def finish(self, latency_ms: float | None, *, is_free: bool = False) -> None:
        """Enter what any worker has told of a configuration.

        Args:
            latency_ms: Its latency; None for a failed one.
            is_free: Whether it costs no patience.
        """
        self._n_finished += 1
        if latency_ms is not None and latency_ms < self._best * (1.0 - IMPROVEMENT):
            self._best = latency_ms
            self._n_vain = self._n_free = 0
        elif is_free:
            self._n_free += 1
        else:
            self._n_vain += 1

    def time_left_s(self, elapsed_s: float) -> float | None:
        """Seconds until a limit is reached, at the pace of the last ``elapsed_s`` seconds.

        Returns:
            None if there is no limit, or no pace yet to tell when it is reached.
        """
        left_s = self._deadline - self.clock()
        if self.n_trials is not None and self._n_finished > 0:
            n_left = self.n_trials - self._n_finished
            left_s = min(left_s, n_left * elapsed_s / self._n_finished)
        return None if math.isinf(left_s) else max(0.0, left_s)

    @property
    def is_overdue(self) -> bool:
        """Whether not even what is in flight should be waited for any longer."""
        return self._n_finished > 0 and self.clock() >= self._deadline + _GRACE_S

    @property
    def reason(self) -> str | None:
        """Why no further configuration should be started, or None to go on."""
        if self._ended is not None:
            return self._ended
        if self.n_trials is not None and self.n_started >= self.n_trials:
            return f"{self.n_trials} trials"
        if self.n_started > 0 and self.clock() >= self._deadline:
            return "timeout"
        if self._n_known >= _EXHAUSTION:
            return "nothing new to try"
        if self._n_vain >= self._patience:
            return f"no improvement in {self._n_vain} trials"
        return None

    @property
    def is_impatient(self) -> bool:
        """Whether as many as a quarter of the patience were in vain, the free ones included."""
        return self._n_vain + self._n_free >= _IMPATIENCE * self._patience

    @property
    def is_half_over(self) -> bool:
        """Whether half of the patience is."""
        return self._n_vain >= self._patience / 2

    @property
    def _patience(self) -> float:
        return max(_PATIENCE, _PATIENCE_SHARE * self._n_finished)
