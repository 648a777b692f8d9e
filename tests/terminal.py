"""Processes on a terminal, and what a person sees there."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SIZE = (50, 160)
_LIMIT_S = 300.0


class Terminal:
    """A terminal.

    Attributes:
        device: What the processes on it print to.
        output: What they have printed.
    """

    def __init__(self) -> None:
        self._ours, self.device = pty.openpty()
        fcntl.ioctl(self.device, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        self.output = b""

    def start(self, command: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a process that Ctrl-C reaches, with all of its own."""

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(self.device, termios.TIOCSCTTY, 0)

        return subprocess.Popen(
            command,
            stdin=self.device,
            stderr=self.device,
            preexec_fn=take_terminal,
            **options,  # type: ignore[call-overload]
        )

    def press(self, keys: bytes) -> None:
        """Type on the keyboard; ``b"\\x03"`` is Ctrl-C."""
        os.write(self._ours, keys)

    def read_until(self, condition: Callable[[], bool]) -> None:
        """Take what is printed until something has happened."""
        deadline = time.monotonic() + _LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, self.output.decode()
            if select.select([self._ours], [], [], 0.1)[0]:
                self.output += os.read(self._ours, 65536)
        while select.select([self._ours], [], [], 0.0)[0]:
            self.output += os.read(self._ours, 65536)

    def lines(self) -> list[str]:
        """What has been on the screen in the end, from the first line on."""
        screen = pyte.HistoryScreen(SIZE[1], SIZE[0], history=100_000)
        pyte.ByteStream(screen).feed(self.output)
        rows = [*screen.history.top]
        above = ["".join(row[i].data for i in range(SIZE[1])) for row in rows]
        return [line.rstrip() for line in [*above, *screen.display] if line.strip()]

    def close(self) -> None:
        """Switch it off."""
        os.close(self._ours)
        os.close(self.device)


@contextmanager
def terminal() -> Iterator[Terminal]:
    it = Terminal()
    try:
        yield it
    finally:
        it.close()
