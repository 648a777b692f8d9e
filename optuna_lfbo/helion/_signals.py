"""Ctrl-C and SIGTERM end a run with what has been found; a second one ends the process."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGTERM, as SIGINT, raise a KeyboardInterrupt, and the second of them exit at once.

    The processes that compile and measure end when this one does. Handlers that the program
    has set itself stay as they are, and so do all in threads, which cannot have any.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    ours = [number for number, handler in usual.items() if signal.getsignal(number) == handler]

    def handle(number: int, frame: FrameType | None) -> None:
        # A notebook or a prompt goes on after what runs in it.
        if not hasattr(sys, "ps1"):
            # A handler would have to wait for what is not Python, such as a locked database.
            for again in ours:
                signal.signal(again, signal.SIG_DFL)
        raise KeyboardInterrupt

    for number in ours:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, usual[number])
