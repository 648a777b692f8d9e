"""What is shown while tuning."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from types import TracebackType

    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._outcome import Outcome


class Progress:
    """A line on the terminal: configurations, the best, failures, the device's busy share.

    Args:
        engine: Knows how long the device has worked.
        show: Whether to show it at all.
    """

    def __init__(self, engine: Measurer, show: bool) -> None:
        self._engine = engine
        self._bar = tqdm(
            disable=not show,
            unit="config",
            bar_format="{n_fmt} configs [{elapsed}, {rate_fmt}] {postfix}",
        )
        self._started = time.perf_counter()
        self._first_ms: float | None = None
        self._best_ms: float | None = None
        self._n_failed = 0

    def __enter__(self) -> Progress:
        """Start the line."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the last state on the terminal."""
        self.refresh()
        self._bar.close()

    def count(self, outcome: Outcome, best_ms: float | None) -> None:
        """Enter a measured configuration and the best latency so far."""
        self._n_failed += outcome.latency_ms is None
        self._best_ms = best_ms
        if self._first_ms is None:
            self._first_ms = best_ms
        self._bar.update()

    def refresh(self) -> None:
        """Bring the line up to date."""
        busy = self._engine.busy_s / (time.perf_counter() - self._started)
        parts = [f"{self._n_failed} failed", f"device {busy:.0%} busy"]
        if self._best_ms is not None and self._first_ms is not None:
            unit = self._engine.unit
            speed_up = self._first_ms / self._best_ms
            parts.insert(0, f"best {self._best_ms:.4g} {unit} ({speed_up:.2f} x the first)")
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
