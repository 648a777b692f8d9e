"""A Ctrl-C that is not lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

_here = threading.local()


@contextlib.contextmanager
def noted_interrupts() -> Iterator[Callable[[], None]]:
    """Yield a function that raises a KeyboardInterrupt for a signal that was held back.

    Python ignores what is raised while it collects garbage, and jax lets it call Python code
    then: a signal that comes in that moment would have no effect. And see `postponed`.
    """
    is_noted = False

    def noting(handler: Handler) -> Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            nonlocal is_noted
            # The second one does not wait.
            waits = getattr(_here, "is_postponing", False) and not is_noted
            is_noted = True
            with contextlib.suppress(*([KeyboardInterrupt] if waits else [])):
                handler(number, frame)

        return handle

    def check() -> None:
        nonlocal is_noted
        if is_noted:
            is_noted = False
            raise KeyboardInterrupt

    before: dict[int, Handler] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, noting(handler))
    try:
        yield check
    finally:
        for interrupting, known in before.items():
            signal.signal(interrupting, known)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Hold back a KeyboardInterrupt where `noted_interrupts` will raise it later.

    For what must be done together, such as to change a storage and to know that.
    """
    before = getattr(_here, "is_postponing", False)
    _here.is_postponing = True
    try:
        yield
    finally:
        _here.is_postponing = before
