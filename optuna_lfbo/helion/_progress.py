"""What is shown while tuning."""

from __future__ import annotations

import abc
import time
from typing import TYPE_CHECKING

from tqdm import tqdm

from optuna_lfbo._terminal import StatusLine
from optuna_lfbo._winner import default_latency
from optuna_lfbo.helion._ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    import optuna
    from optuna.trial import FrozenTrial
    from typing_extensions import Self

    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._outcome import Outcome
    from optuna_lfbo.helion._stop import StopRule

_LOOK_S = 1.0


class _Tally:
    """How many configurations have ended how, and what is the best of them."""

    def __init__(self, study: optuna.Study, stop: StopRule, unit: str) -> None:
        self._study = study
        self._stop = stop
        self._unit = unit
        self._started = time.perf_counter()
        self._default_ms: float | None = None
        self._best_ms: float | None = None
        self._n_finished = 0
        self._n_failed = 0

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._started

    def count(self, latency_ms: float | None, best_ms: float | None) -> None:
        self._n_finished += 1
        self._n_failed += latency_ms is None
        self._best_ms = best_ms
        if self._default_ms is None:
            self._default_ms = default_latency(self._study.user_attrs)

    def text(self, more: Iterable[str] = ()) -> str:
        failed = f"{self._n_failed} failed"
        parts = [self._counted(self.elapsed_s), self._best(), failed, *more]
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
        text = f"best {self._best_ms:.4g} {self._unit}"
        if self._default_ms is None:
            return text
        return f"{text} ({self._default_ms / self._best_ms:.2f} x as fast as the default)"


class _Display(abc.ABC):
    """A status line with what ``_text`` returns, also when it ends."""

    def __init__(self, show: bool) -> None:
        self._show = show
        self._line = StatusLine(show)

    def __enter__(self) -> Self:
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
        if self._show:
            self._line.update(self._text(), is_last=True)
        self._line.__exit__(exc_type, exc_value, traceback)

    def refresh(self) -> None:
        """Bring the line up to date."""
        if self._show:
            self._line.update(self._text())

    @abc.abstractmethod
    def _text(self) -> str: ...


class Progress(_Display):
    """Configurations, the best, failures, how busy the device is, and the time that is left.

    Args:
        engine: Knows how long the device has worked.
        study: Knows the latency of the default.
        stop: Knows the limits.
        show: Whether to show it at all.
    """

    def __init__(self, engine: Measurer, study: optuna.Study, stop: StopRule, show: bool) -> None:
        super().__init__(show)
        self._engine = engine
        self._tally = _Tally(study, stop, engine.unit)

    def count(self, outcome: Outcome, best_ms: float | None) -> None:
        """Enter a measured configuration and the best latency so far."""
        if self._show:
            self._tally.count(outcome.latency_ms, best_ms)

    def _text(self) -> str:
        busy = self._engine.busy_s / self._tally.elapsed_s
        return self._tally.text([f"device {busy:.0%} busy"])


class StudyProgress(_Display):
    """The same of what other processes do to a study, as far as the study tells.

    Args:
        study: Where they tell their trials.
        stop: Knows the limits.
        unit: What values are measured in.
        show: Whether to show it at all.
    """

    def __init__(self, study: optuna.Study, stop: StopRule, unit: str, show: bool) -> None:
        super().__init__(show)
        self._study = study
        self._stop = stop
        self._tally = _Tally(study, stop, unit)
        trials = self._trials() if show else []
        self._ledger = Ledger(len(trials))
        self._ledger.read(trials)
        self._due = 0.0

    def refresh(self) -> None:
        """Read the study and bring the line up to date, if it is time to."""
        if (now := time.monotonic()) >= self._due:
            super().refresh()
            self._due = now + _LOOK_S

    def _text(self) -> str:
        self._ledger.read(self._trials())
        for outcome, was_free in self._ledger.new_outcomes():
            self._stop.finish(outcome.latency_ms, is_free=was_free)
            self._tally.count(outcome.latency_ms, self._ledger.best_ms)
        return self._tally.text()

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)
