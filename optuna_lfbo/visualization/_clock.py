"""How long tuning has taken, and when in it something happened."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from optuna.trial import FrozenTrial

_PAUSE_S = 60.0
_UNITS = ((2 * 3600.0, 3600.0, "h"), (300.0, 60.0, "min"), (0.0, 1.0, "s"))


class Clock:
    """Runs while there are trials.

    Where no trial runs for more than a minute, as between two runs of a program that go on with
    the same study, the clock stands still.

    Args:
        trials: Those that have finished count.

    Attributes:
        total_s: Seconds until the last of them ended.
    """

    def __init__(self, trials: Iterable[FrozenTrial]) -> None:
        self._starts: list[datetime] = []
        self._offsets: list[float] = []
        self.total_s = 0.0
        end: datetime | None = None
        for start, stop in sorted(_spans(trials)):
            if end is None or (start - end).total_seconds() > _PAUSE_S:
                self._starts.append(start)
                self._offsets.append(self.total_s)
                end = start
            end = max(end, stop)
            self.total_s = self._offsets[-1] + (end - self._starts[-1]).total_seconds()

    def seconds(self, moment: datetime) -> float:
        """Seconds of tuning before a moment at which some trial ran."""
        i = max(bisect_right(self._starts, moment) - 1, 0)
        return self._offsets[i] + (moment - self._starts[i]).total_seconds()

    @property
    def unit(self) -> tuple[float, str]:
        """The unit that suits the whole, in seconds, and its name."""
        return time_unit(self.total_s)


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit that suits a time, in seconds, and its name."""
    return next((size, name) for least, size, name in _UNITS if seconds >= least)


def _spans(trials: Iterable[FrozenTrial]) -> Iterator[tuple[datetime, datetime]]:
    for trial in trials:
        start, stop = trial.datetime_start, trial.datetime_complete
        if start is not None and stop is not None:
            yield min(start, stop), max(start, stop)
