"""Processes that are given a time, and leave nothing behind."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from benchmarks.gpu.progress import say

if TYPE_CHECKING:
    import threading

GRACE_SECONDS = 15.0
"""What an interrupted process gets to write its record before it is killed."""

_POLL_SECONDS = 0.05


def attend(child: subprocess.Popen[bytes], stop: threading.Event, limit: float = math.inf) -> None:
    """Waits until a process has ended that is the first of its session.

    Args:
        child: the process.
        stop: the process is interrupted when this is set, and killed if it does not end then.
        limit: seconds after which the same happens.
    """
    try:
        if not _ends(child, stop, limit):
            child.send_signal(signal.SIGINT)
            child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        say("a process does not heed the interrupt and is killed")
    finally:
        # Workers of a child that died would disturb the next run.
        _kill_group(child)


def _ends(child: subprocess.Popen[bytes], stop: threading.Event, limit: float) -> bool:
    deadline = time.monotonic() + limit
    while child.poll() is None:
        if stop.wait(_POLL_SECONDS) or time.monotonic() > deadline:
            return False
    return True


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
