"""Fills a study's page in optuna-dashboard, once or while the study runs.

The note and the plots are kept in the study's storage: whoever looks at the page needs
optuna-dashboard only.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import optuna

try:
    from optuna_dashboard import save_note, save_plotly_graph_object

    from optuna_lfbo.visualization._plotly import figure_of
except ImportError as error:
    raise ImportError(
        "optuna_lfbo.dashboard needs optuna-dashboard and plotly; install them with: "
        'pip install "optuna_lfbo[dashboard]"'
    ) from error

from optuna_lfbo._note import markdown_note
from optuna_lfbo._turn import Turn
from optuna_lfbo._view import ClassifierView
from optuna_lfbo.visualization._best import best_tenth
from optuna_lfbo.visualization._classifier import good_probability
from optuna_lfbo.visualization._effort import outcomes, time_spent
from optuna_lfbo.visualization._history import best_so_far

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from optuna.trial import FrozenTrial
    from typing_extensions import Self

    from optuna_lfbo.visualization._chart import Chart

__all__ = ["DashboardCallback", "markdown_note", "refresh"]

_TOPIC = "dashboard"
_SHARE = 0.01
"""Share of the time that refreshing may take."""
_MOST_WAIT_S = 5.0

_logger = optuna.logging.get_logger("optuna.lfbo")


def refresh(study: optuna.Study) -> None:
    """Save the note and the plots of a study, over those that are there.

    Args:
        study: Any study. One of several objectives gets the plots of outcomes and time only.

    Raises:
        optuna.exceptions.StorageInternalError: The storage fails.
    """
    turn = Turn(study, _TOPIC)
    deadline = time.monotonic() + _MOST_WAIT_S
    while not turn.take() and time.monotonic() < deadline:
        time.sleep(0.1)
    _save(study)
    turn.end()


def _save(study: optuna.Study) -> None:
    save_note(study, markdown_note(study))
    for name, chart in _charts(study):
        save_plotly_graph_object(study, figure_of(chart), graph_object_id=name)


def _charts(study: optuna.Study) -> Iterator[tuple[str, Chart]]:
    """The plots, and the ids under which a study keeps them."""
    if len(study.directions) == 1:
        yield "lfbo-best-over-time", best_so_far(study, "time")
        yield "lfbo-best-over-trials", best_so_far(study, "trials")
    yield "lfbo-outcomes", outcomes(study)
    yield "lfbo-time-spent", time_spent(study)
    if len(study.directions) == 1:
        view = ClassifierView(study)
        yield "lfbo-good-probability", good_probability(view)
        yield "lfbo-best-tenth", best_tenth(view)


class DashboardCallback:
    """Keeps a study's page in optuna-dashboard up to date while the study runs.

    A callback for ``study.optimize`` and :func:`optuna_lfbo.helion.tune`. As a context manager
    it also refreshes the page in the end, when the tuner has compared the best::

        with DashboardCallback() as dashboard:
            tune(kernel, args, storage="sqlite:///tuning.db", callbacks=[dashboard])

    All refreshes together keep to about 1 % of the time: a slow storage or a long study makes
    them rarer, not tuning slower. Of several workers of a study one refreshes at a time. If
    the storage fails, that is logged, and the study goes on.

    Args:
        interval: Seconds until the first refresh and between two, at least.

    Attributes:
        spent_s: Seconds that refreshing has taken while the study ran.

    Raises:
        ValueError: ``interval`` is negative.
    """

    def __init__(self, *, interval: float = 10.0) -> None:
        if not interval >= 0.0:
            raise ValueError(f"interval={interval!r}: expected seconds, 0 or more")
        self.spent_s = 0.0
        self._interval = interval
        self._due = time.monotonic() + interval
        self._lock = threading.Lock()
        self._study: optuna.Study | None = None
        self._turn: Turn | None = None

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Refresh the page if it is time to."""
        # The threads of a study do not wait for each other.
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._study = study
            if (started := time.monotonic()) >= self._due:
                self._try(self._refresh_in_turn)
                took = time.monotonic() - started
                self.spent_s += took
                self._due = started + max(self._interval, took / _SHARE)
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        """Return the callback."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Refresh the page of the study that has called it."""
        if self._study is not None:
            self._try(refresh)

    def _refresh_in_turn(self, study: optuna.Study) -> None:
        if self._turn is None:
            self._turn = Turn(study, _TOPIC)
        if self._turn.take(self._interval):
            _save(study)
            self._turn.end()

    def _try(self, refreshing: Callable[[optuna.Study], None]) -> None:
        assert self._study is not None
        try:
            refreshing(self._study)
        except (optuna.exceptions.StorageInternalError, OSError) as error:
            _logger.warning(f"The dashboard's page could not be refreshed: {error}")
