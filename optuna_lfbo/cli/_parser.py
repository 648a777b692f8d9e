"""What the command line understands."""

from __future__ import annotations

import argparse
import os
from importlib import metadata
from typing import Final, NoReturn, TypeAlias

from optuna_lfbo.cli._errors import WRONG_ARGUMENTS

STORAGE_VARIABLE: Final = "OPTUNA_LFBO_STORAGE"
DEFAULT_STORAGE: Final = "sqlite:///optuna_lfbo.db"

_EPILOG = """\
exit codes:
  0    done
  1    the kernel, the study, the storage or the log does not do; one line says why
  2    wrong arguments
  130  interrupted; what was measured is kept, and `tune` prints the best so far

`optuna-lfbo COMMAND --help` describes a command.
"""

_TUNE = """\
Find the fastest configuration of a kernel, and print it. The study is kept in the storage: run
the same command again to go on with it, also after Ctrl-C, or several times at once to share
the work.

  optuna-lfbo tune my_kernels:matmul --args my_kernels:make_args --timeout 300

MODULE:NAME is looked up in the current directory first.
"""
_SHOW = """\
Print what a study is about, its best configuration and how its trials ended, as Markdown.
"""
_EXPORT = """\
Print the best configuration of a study of a kernel, from the final comparison if there was one.
"""
_IMPORT = """\
Make a study of the log that Helion's own autotuner writes with HELION_AUTOTUNE_LOG=..., or
add to one. `optuna-lfbo tune` with the same kernel then goes on from there. Configurations that
the study knows already are left out. Run this on the device that the log is from.
"""


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_ARGUMENTS, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


_Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; a command's ``module`` has what it does."""
    parser = _Parser(
        prog="optuna-lfbo",
        description="Tune Helion and Triton kernels as Optuna studies, and look at the studies.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = metadata.version("optuna_lfbo")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_tune, _add_show, _add_export, _add_import_log):
        add(commands)
    return parser


def _add_tune(commands: _Commands) -> None:
    tune = _command(commands, "tune", "_tune", "tune a kernel", _TUNE)
    _add_kernel(tune, "a Helion kernel, or an objective of triton_objective or callable_objective")
    tune.add_argument(
        "--study",
        metavar="NAME",
        help="a name for the study; made of the kernel, the arguments and the device by default",
    )
    tune.add_argument(
        "--trials", type=_positive_int, metavar="N", help="measure N more configurations at most"
    )
    tune.add_argument(
        "--timeout",
        type=_positive,
        metavar="SECONDS",
        help="start no configuration after that many seconds",
    )
    tune.add_argument(
        "--devices",
        type=_devices,
        metavar="LIST",
        help="tune on several devices of this machine, such as 0,1 for two GPUs",
    )
    tune.add_argument("--seed", type=int, metavar="N", help="of the sampler")


def _add_show(commands: _Commands) -> None:
    show = _command(commands, "show", "_show", "print what a study has found", _SHOW)
    _add_study(show)


def _add_export(commands: _Commands) -> None:
    export = _command(commands, "export", "_export", "print the best configuration", _EXPORT)
    _add_study(export)
    export.add_argument(
        "--format",
        choices=("json", "code"),
        default="json",
        help="json: what helion.Config.load reads; code: the line to decorate a "
        "Helion kernel with, or a triton.Config (default: json)",
    )
    export.add_argument("--output", metavar="FILE", help="write it there")


def _add_import_log(commands: _Commands) -> None:
    log = _command(
        commands,
        "import-log",
        "_import_log",
        "make a study of a log of Helion's autotuner",
        _IMPORT,
    )
    log.add_argument("csv", metavar="CSV", help="the log")
    _add_kernel(log, "the Helion kernel that the log is about")
    log.add_argument(
        "--run", metavar="ID", help="the run_id to take, or its beginning, if the log has several"
    )
    log.add_argument(
        "--study",
        metavar="NAME",
        help="a name for the study; by default the one that `optuna-lfbo tune` uses",
    )


def _command(
    commands: _Commands,
    name: str,
    module: str,
    summary: str,
    description: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(module=module)
    command.add_argument(
        "--storage",
        metavar="URL",
        default=os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE,
        help="where studies are kept: the URL of a database, redis://, grpc:// or a journal "
        f"file (default: ${STORAGE_VARIABLE}, else {DEFAULT_STORAGE})",
    )
    verbosity = command.add_mutually_exclusive_group()
    verbosity.add_argument(
        "-q", "--quiet", action="store_true", help="print the result and errors only"
    )
    verbosity.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="log every trial, and the traceback of an error",
    )
    return command


def _add_kernel(command: argparse.ArgumentParser, which: str) -> None:
    command.add_argument("kernel", metavar="MODULE:KERNEL", help=which)
    command.add_argument(
        "--args",
        metavar="MODULE:ARGS",
        help="the tuple of the kernel's arguments, or a function that returns it",
    )


def _add_study(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "study", metavar="STUDY", help="the study's name, or as much of its beginning as is needed"
    )


def _devices(text: str) -> list[int | str]:
    return [int(name) if name.isdecimal() else name for name in text.split(",")]


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return value


_positive_int.__name__, _positive.__name__ = "int", "number"  # for argparse's own messages
