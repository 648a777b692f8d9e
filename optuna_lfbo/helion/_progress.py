"""What is shown while tuning."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tqdm import tqdm

from optuna_lfbo._terminal import StatusLine
from optuna_lfbo._winner import default_latency

if TYPE_CHECKING:
    from types import TracebackType

    import optuna

    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._outcome import Outcome
    from optuna_lfbo.helion._stop import StopRule


class Progress:
    """Configurations, the best, failures, how busy the device is, and the time that is left.

    Args:
        engine: Knows how long the device has worked.
        study: Knows the latency of the default.
        stop: Knows the limits.
        show: Whether to show it at all.
    """

    def __init__(self, engine: Measurer, study: optuna.Study, stop: StopRule, show: bool) -> None:
        self._engine = engine
        self._study = study
        self._stop = stop
        self._show = show
        self._line = StatusLine(show)
        self._started = time.perf_counter()
        self._default_ms: float | None = None
        self._best_ms: float | None = None
        self._n_finished = 0
        self._n_failed = 0

    def __enter__(self) -> Progress:
        """Start the line."""
        self._line.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the last state on the terminal."""
        self._line.update(self._text(), is_last=True)
        self._line.__exit__(exc_type, exc_value, traceback)

    def count(self, outcome: Outcome, best_ms: float | None) -> None:
        """Enter a measured configuration and the best latency so far."""
        self._n_finished += 1
        self._n_failed += outcome.latency_ms is None
        self._best_ms = best_ms
        if self._show and self._default_ms is None:
            self._default_ms = default_latency(self._study.user_attrs)

    def refresh(self) -> None:
        """Bring the line up to date."""
        if self._show:
            self._line.update(self._text())

    def _text(self) -> str:
        elapsed_s = time.perf_counter() - self._started
        parts = [
            self._counted(elapsed_s),
            self._best(),
            f"{self._n_failed} failed",
            f"device {self._engine.busy_s / elapsed_s:.0%} busy",
        ]
        return ", ".join(part for part in parts if part)

    def _counted(self, elapsed_s: float) -> str:
        n_trials = self._stop.n_trials
        of_all = "" if n_trials is None else f"/{n_trials}"
        times = [tqdm.format_interval(elapsed_s)]
        left_s = self._stop.time_left_s(elapsed_s)
        if left_s is not None:
            times.append(f"{tqdm.format_interval(left_s)} left")
        times.append(f"{self._n_finished / elapsed_s:.1f}/s")
        return f"{self._n_finished}{of_all} configs [{', '.join(times)}]"

    def _best(self) -> str:
        if self._best_ms is None:
            return ""
        text = f"best {self._best_ms:.4g} {self._engine.unit}"
        if self._default_ms is None:
            return text
        return f"{text} ({self._default_ms / self._best_ms:.2f} x as fast as the default)"
