"""Processes that end with the one that they work for, however that one ends."""

from __future__ import annotations

import fcntl
import os
import select
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def hold_on_to(lifeline: Connection) -> None:
    """Lead a process group that is killed when nobody holds the other end of a pipe any more.

    A worker that waits for its next job reads the end of the connection and ends by itself. One
    that hangs in a job does not, and neither does a compiler that it has started. No code of
    this process has to run for it, so it may hang in whatever it likes.

    Args:
        lifeline: The reading end of a pipe that nothing is ever written to, and no other process
            reads. Leads to nothing if it is closed here.
    """
    os.setsid()
    descriptor = lifeline.fileno()
    # A negative number is a process group.
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    if poll.poll(0):  # It was gone before.
        os.killpg(os.getpgrp(), signal.SIGKILL)
