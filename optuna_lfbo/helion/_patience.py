"""Waits for a storage that cannot be reached for a while."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, PendingRollbackError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_LIMIT_S = 300.0
"""How long a storage may be away before tuning gives up."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_SQLALCHEMY_PASSING = ("OperationalError", "InterfaceError", "InternalError")
_GRPC_PASSING = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN")
"""The last is how Optuna's proxy says that it cannot reach its own storage."""

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


def patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return ``call(*args, **kwargs)``, called again as long as the storage is out of reach.

    Raises:
        Exception: What the call raises for another reason, or still after five minutes.
    """
    started, pause = time.monotonic(), _FIRST_PAUSE_S
    while True:
        try:
            result = call(*args, **kwargs)
        except Exception as error:  # Whether it passes is asked below.
            away = time.monotonic() - started
            if not is_passing(error) or away > _LIMIT_S:
                raise
            if pause == _FIRST_PAUSE_S:
                _logger.warning(f"The storage does not answer, and is asked again: {error!r}")
        else:
            if pause > _FIRST_PAUSE_S:
                _logger.warning(
                    f"The storage answers again after {time.monotonic() - started:.0f} s."
                )
            return result
        time.sleep(pause)
        pause = min(2.0 * pause, _LONGEST_PAUSE_S)


def is_passing(error: BaseException) -> bool:
    """Whether ``error`` says that a storage is out of reach, or that others are faster."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        return is_passing(error.__cause__)
    if isinstance(error, DBAPIError):
        return type(error).__name__ in _SQLALCHEMY_PASSING or error.connection_invalidated
    # A connection that was lost in the middle of a transaction, which Optuna has given up by now.
    if isinstance(error, OSError | PendingRollbackError):
        return True
    return isinstance(error, _redis_errors()) or _grpc_code(error) in _GRPC_PASSING


@functools.cache
def _redis_errors() -> tuple[type[Exception], ...]:
    try:
        from redis.exceptions import ConnectionError, TimeoutError
    except ImportError:
        return ()
    return (ConnectionError, TimeoutError)


def _grpc_code(error: BaseException) -> str | None:
    code = getattr(error, "code", None)
    return getattr(code(), "name", None) if callable(code) else None
