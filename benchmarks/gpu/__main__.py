"""The command line: ``python -m benchmarks.gpu --help``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.gpu.report import report
from benchmarks.gpu.retime import retime_all, retime_on
from benchmarks.gpu.run import run_all
from benchmarks.gpu.tuners import TUNERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KERNELS = (
    "layer_norm",
    "matmul",
    "softmax",
    "attention",
    "rms_norm",
    "split_k_matmul",
    "decode_matmul",
    "int4_matmul",
    "cross_entropy",
    "long_reduction",
)
"""Names of the problems; importing those themselves takes seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands.add_parser("run", help="run tuners on kernels; started again, it goes on"))
    _add_retime(commands.add_parser("retime", help="time the winners of a kernel side by side"))
    _add_scaling(commands.add_parser("scaling", help="tune a kernel with 1, 2, ... devices"))
    _add_replay(commands.add_parser("replay", help="tune without a device, from records"))
    _add_report(commands.add_parser("report", help="make tables from raw results"))
    args = parser.parse_args()
    try:
        args.call(args)
    except ValueError as error:
        parser.error(str(error))


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--raw", type=Path, required=True, help="file of runs, appended to (*.jsonl)")
    _add_kernels(parser)
    add("--tuners", type=_names(TUNERS), default=list(TUNERS), help="a,b,... (default: all)")
    add("--seeds", type=_numbers, default=[0], help="0,1,... (default: 0)")
    add("--budget", type=float, required=True, help="seconds after which no run goes on")
    add("--guess", type=float, default=240.0, help="seconds for a run of an unknown tuner (240)")
    _add_devices(parser)
    parser.set_defaults(call=_run)


def _run(args: argparse.Namespace) -> None:
    run_all(
        args.raw,
        args.kernels,
        args.tuners,
        args.seeds,
        budget=args.budget,
        guess=args.guess,
        devices=args.devices,
    )


def _add_retime(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--raw", type=Path, nargs="+", required=True, help="files of runs (*.jsonl, *.jsonl.gz)")
    add("--out", type=Path, required=True, help="file of re-timings, appended to (*.jsonl)")
    _add_kernels(parser)
    add("--rounds", type=int, default=20, help="how often everything is timed (default: 20)")
    add("--budget", type=float, default=300.0, help="seconds after which no kernel begins (300)")
    _add_devices(parser)
    parser.set_defaults(call=_retime)


def _retime(args: argparse.Namespace) -> None:
    call = partial(retime_on, args.devices) if args.devices else retime_all
    call(args.raw, args.out, args.kernels, rounds=args.rounds, budget=args.budget)


def _add_kernels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kernels", type=_names(KERNELS), default=list(KERNELS), help="a,b,... (default: all)"
    )


def _add_devices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--devices",
        type=_numbers,
        default=[],
        help="0,1,...: GPUs that work side by side (default: one, that which is visible)",
    )


def _add_scaling(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--raw", type=Path, required=True, help="file of runs, appended to (*.jsonl)")
    add("--kernel", choices=KERNELS, default="matmul", help="(default: matmul)")
    add("--devices", type=int, nargs="+", default=[1, 2], help="numbers of them (default: 1 2)")
    add("--seconds", type=float, default=90.0, help="for each run (default: 90)")
    add("--seed", type=int, default=0, help="of the tuner (default: 0)")
    parser.set_defaults(call=_scale)


def _scale(args: argparse.Namespace) -> None:
    # Importing what tunes takes seconds.
    from benchmarks.gpu.scaling import scale

    print(scale(args.raw, args.kernel, args.devices, seconds=args.seconds, seed=args.seed))


def _add_replay(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--raw", type=Path, nargs="+", required=True, help="files of records (*.jsonl.gz)")
    add("--kernel", choices=KERNELS, default="attention", help="(default: attention)")
    add("--variants", nargs="+", help="(default: all)")
    add("--seeds", type=_numbers, default=[0, 1, 2, 3, 4], help="(default: 0,1,2,3,4)")
    add("--out", type=Path, required=True, help="file of replays, appended to (*.jsonl)")
    parser.set_defaults(call=_replay)


def _replay(args: argparse.Namespace) -> None:
    # Importing what tunes takes seconds.
    from benchmarks.gpu.replay.report import report as tables
    from benchmarks.gpu.replay.run import replay_all
    from benchmarks.gpu.replay.variants import VARIANTS

    names = list(VARIANTS) if args.variants is None else args.variants
    if unknown := [name for name in names if name not in VARIANTS]:
        raise ValueError(f"--variants: {unknown} are none of {', '.join(VARIANTS)}")
    replay_all(args.raw, args.kernel, names, args.seeds, args.out)
    print(tables([args.out]))


def _add_report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--raw", type=Path, nargs="+", required=True, help="files of runs (*.jsonl, *.jsonl.gz)")
    add("--retimed", type=Path, nargs="+", default=[], help="files of re-timings")
    parser.set_defaults(call=lambda args: print(report(args.raw, args.retimed)))


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown} are none of {', '.join(known)}")
        return names

    return parse


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    main()
