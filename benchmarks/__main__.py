"""The command line: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.overhead import overhead
from benchmarks.report import report
from benchmarks.run import run_all
from benchmarks.spec import parse


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands.add_parser("run", help="run samplers on tasks; interrupted, it resumes"))
    _add_report(commands.add_parser("report", help="make tables from raw results"))
    _add_overhead(commands.add_parser("overhead", help="measure the cost of asking and telling"))
    args = parser.parse_args()
    try:
        args.call(args)
    except ValueError as error:
        parser.error(str(error))


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--samplers", nargs="+", required=True, help="such as tpe 'lfbo(quantile=0.2, batch=16)'")
    add("--tasks", nargs="+", default=["*"], help="shell patterns (default: all)")
    add("--tables", type=Path, help="folder of kernel tables (*.json.gz)")
    add("--seeds", type=int, default=10, help="seeds a sampler and task (default: 10)")
    add("--trials", type=int, default=300, help="distinct points a run (default: 300)")
    add("--workers", type=int, default=2, help="processes of one thread each (default: 2)")
    add("--out", type=Path, required=True, help="file of raw results, appended to (*.jsonl)")
    parser.set_defaults(
        call=lambda args: run_all(
            args.samplers,
            args.tasks,
            args.seeds,
            args.trials,
            out=args.out,
            tables=args.tables,
            workers=args.workers,
        )
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("raw", nargs="+", type=Path, help="files of raw results (*.jsonl, *.jsonl.gz)")
    add("--ours", default="lfbo", help="sampler that the others are tested against")
    add("--variants", action="store_true", help="show every variant, not each family's best")
    add("--plots", type=Path, help="folder for plots (default: none are made)")
    parser.set_defaults(
        call=lambda args: print(
            report(args.raw, parse(args.ours).text, variants=args.variants, plots=args.plots)
        )
    )


def _add_overhead(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--samplers", nargs="+", default=["lfbo", "tpe"], help="(default: lfbo tpe)")
    add("--storages", nargs="+", default=["memory", "sqlite"], choices=["memory", "sqlite"])
    add("--trials", type=int, default=1000, help="trials a study (default: 1000)")
    add("--out", type=Path, required=True, help="file of raw results, appended to (*.jsonl)")
    parser.set_defaults(
        call=lambda args: print(overhead(args.samplers, args.storages, args.trials, args.out))
    )


if __name__ == "__main__":
    main()
