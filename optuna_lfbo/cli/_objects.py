"""Finds what ``MODULE:NAME`` on the command line means."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

from optuna_lfbo.cli._errors import WRONG_ARGUMENTS, CommandError


def found(path: str, option: str) -> Any:
    """Return the object that ``MODULE:NAME`` stands for.

    Args:
        path: The text, such as ``"package.module:object.attribute"``.
        option: Where it is from, for messages.

    Raises:
        CommandError: There is no such thing, or its module cannot be imported.
    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise CommandError(
            f"{option}={path!r}: expected MODULE:NAME, such as my_kernels:matmul",
            WRONG_ARGUMENTS,
        )
    module = _imported(module_name, option)
    try:
        return functools.reduce(getattr, name.split("."), module)
    except AttributeError as error:
        raise CommandError(f"{option}={path!r}: {error}", WRONG_ARGUMENTS) from error


def _imported(name: str, option: str) -> Any:
    # As `python -m` does, and a console script does not.
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except Exception as error:  # Whatever the module raises.
        raise CommandError(
            f"{option}: importing {name!r} from the current directory or sys.path failed: "
            f"{type(error).__name__}: {error}"
        ) from error


def arguments(path: str | None) -> Any:
    """Return the kernel's arguments that ``--args`` stands for.

    Raises:
        CommandError: It is missing, or cannot be found or called.
    """
    if path is None:
        raise CommandError(
            "a Helion kernel needs --args=MODULE:ARGS, a tuple or a function that returns one",
            WRONG_ARGUMENTS,
        )
    made = found(path, "--args")
    return called(made, path, "--args") if callable(made) else made


def called(function: Any, path: str, option: str) -> Any:
    """Return what a function of the user's returns.

    Raises:
        CommandError: It raises an exception.
    """
    try:
        return function()
    except Exception as error:  # Whatever it raises.
        raise CommandError(
            f"{option}={path!r}: calling it failed: {type(error).__name__}: {error}"
        ) from error
