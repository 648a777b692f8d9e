"""What ends a command with a message instead of a traceback."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import optuna
from sqlalchemy.exc import SQLAlchemyError

from optuna_lfbo._text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED: Final = 1
WRONG_ARGUMENTS: Final = 2
INTERRUPTED: Final = 130
"""As a shell reports a process that SIGINT has ended."""


class CommandError(Exception):
    """A command cannot go on; the message is one line that says why.

    Args:
        message: What is wrong, and what would be right.
        exit_code: Of the process.
    """

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(one_line(message, most=1000))
        self.exit_code = exit_code


@contextlib.contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn what a storage that does not work raises into a `CommandError`."""
    try:
        yield
    except optuna.exceptions.StorageInternalError as error:
        raise CommandError(f"--storage={url!r}: {error.__cause__ or error}") from error
    except (SQLAlchemyError, ImportError) as error:
        # Optuna's own text for an ImportError names the driver that is missing.
        raise CommandError(f"--storage={url!r}: {error}") from error
    except Exception as error:
        # Of clients that need not be installed.
        if type(error).__module__.partition(".")[0] not in ("redis", "grpc"):
            raise
        raise CommandError(f"--storage={url!r}: {type(error).__name__}: {error}") from error
