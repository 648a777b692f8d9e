"""Progress on standard error."""

from __future__ import annotations

import sys
import time

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Prints a line at once, with the seconds since the start."""
    # In one piece, for threads and processes may print side by side.
    sys.stderr.write(f"[{time.monotonic() - _STARTED:4.0f} s] {text}\n")
    sys.stderr.flush()
