"""A line of status on the terminal, which nothing else that is printed garbles."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from typing import IO, TYPE_CHECKING, Any, Final

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

_REPLACE_S = 0.2
_REPEAT_S = 10.0
_CLEAR_LINE: Final = "\r\x1b[2K"


class StatusLine:
    """What is going on, in one line on standard error.

    On a terminal it is replaced in place. Of several processes on one terminal only the first
    does that; the others, as those whose output goes to a file, print a line every ten seconds.
    Optuna's log keeps to lines of its own as long as the status is shown.

    Args:
        show: Whether to show it at all.
    """

    def __init__(self, show: bool) -> None:
        self._show = show
        self._stack = contextlib.ExitStack()
        self._bar: Any = None
        self._due = 0.0

    def __enter__(self) -> Self:
        """Take the terminal, if there is one."""
        if self._show and self._stack.enter_context(_claimed(sys.stderr)):
            self._bar = tqdm(bar_format="{desc}", dynamic_ncols=True)
        elif self._show:
            self._due = time.monotonic() + _REPEAT_S
        if self._show:
            # Not by tqdm, which writes a line and its end one after the other, so that another
            # process may come between them and wipe it out. The next update shows the bar again.
            self._stack.enter_context(whole_lines())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.close()
        self._stack.close()

    def update(self, text: str, is_last: bool = False) -> None:
        """Show another text, if it is time to or there will be no more."""
        now = time.monotonic()
        if not self._show or not (is_last or now >= self._due):
            return
        if self._bar is not None:
            self._bar.set_description_str(text)
        else:
            _Lines.write(text)
        self._due = now + (_REPEAT_S if self._bar is None else _REPLACE_S)


def whole_lines() -> contextlib.AbstractContextManager[None]:
    """Let Optuna's log keep to lines of its own, although another process keeps one up to date."""
    redirected: contextlib.AbstractContextManager[None] = logging_redirect_tqdm(
        [logging.getLogger("optuna")], tqdm_class=_Lines
    )
    return redirected


class _Lines:
    """Writes whole lines among those of other processes."""

    @staticmethod
    def write(text: str, file: IO[str] | None = None) -> None:
        stream = file or sys.stderr
        # At once, and over what another process may have written without an end.
        stream.write(f"{_CLEAR_LINE if stream.isatty() else ''}{text}\n")
        stream.flush()


@contextlib.contextmanager
def _claimed(stream: IO[str]) -> Iterator[bool]:
    """Whether ``stream`` is a terminal on which no other process keeps a line, from now on."""
    if sys.platform == "win32" or not stream.isatty():
        yield stream.isatty()
        return
    # Opened anew, as processes that have inherited the stream share its locks.
    terminal = os.open(os.ttyname(stream.fileno()), os.O_WRONLY | os.O_NOCTTY)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(terminal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
            return
        yield False
    finally:
        os.close(terminal)
