"""The command line, ``optuna-lfbo``."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import TYPE_CHECKING

import optuna

from optuna_lfbo.cli._errors import INTERRUPTED, CommandError
from optuna_lfbo.cli._parser import make_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments after the program's name; by default those of the process.

    Returns:
        The exit code: 0, 1 for a kernel, study or storage that does not do, 130 after Ctrl-C.

    Raises:
        SystemExit: With the code 2 for wrong arguments, 0 after ``--help``.
    """
    options = make_parser().parse_args(argv)
    optuna.logging.set_verbosity(_log_level(options))
    try:
        command = importlib.import_module(f"optuna_lfbo.cli.{options.module}")
        code: int = command.run(options)
        return code
    except CommandError as error:
        if options.verbose:
            traceback.print_exc()
        print(f"optuna-lfbo {options.command}: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"optuna-lfbo {options.command}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _log_level(options: argparse.Namespace) -> int:
    if options.verbose:
        return optuna.logging.DEBUG
    return optuna.logging.ERROR if options.quiet else optuna.logging.WARNING
