"""One worker of a study at a time, agreed on through the study's storage."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from optuna_lfbo._winner import is_positive

if TYPE_CHECKING:
    import optuna
    from optuna._typing import JSONSerializable

_STALE_S = 60.0
"""Seconds after which a worker that has not ended its turn counts as dead."""
_SETTLE_S = 0.05
_SETTLE_WRITES = 3.0
"""Time, and that of so many writes, in which the notes of workers that begin at the same moment
overwrite each other."""


class Turn:
    """The right to write what readers must not find half written by two workers.

    optuna-dashboard keeps a figure in pieces, of which each is a write of its own. A storage
    has no lock to offer, so this is an agreement: a worker notes that it writes, and does if
    a moment later the note is still its own.

    Args:
        study: What is written to.
        topic: Names what is written.
    """

    def __init__(self, study: optuna.Study, topic: str) -> None:
        self._storage = study._storage
        self._study_id = study._study_id
        self._key = f"lfbo:turn:{topic}"
        self._me = uuid.uuid4().hex

    def take(self, interval: float = 0.0) -> bool:
        """Begin a turn unless another worker has one, or ended one less than ``interval`` ago."""
        holder, age, is_done = self._read()
        if holder not in (None, self._me) and age < (interval if is_done else _STALE_S):
            return False
        started = time.monotonic()
        self._write(is_done=False)
        time.sleep(_SETTLE_S + _SETTLE_WRITES * (time.monotonic() - started))
        return self._read()[0] == self._me

    def end(self) -> None:
        """Leave the turn to others."""
        self._write(is_done=True)

    def _read(self) -> tuple[object, float, bool]:
        """Who had the last turn, how many seconds ago, and whether it has ended."""
        noted = self._storage.get_study_system_attrs(self._study_id).get(self._key)
        if not isinstance(noted, dict) or not is_positive(at := noted.get("at")):
            return None, 0.0, True
        # Clocks of other machines may be ahead.
        return noted.get("by"), abs(time.time() - at), noted.get("is_done") is True

    def _write(self, *, is_done: bool) -> None:
        noted: JSONSerializable = {"by": self._me, "at": time.time(), "is_done": is_done}
        self._storage.set_study_system_attr(self._study_id, self._key, noted)
