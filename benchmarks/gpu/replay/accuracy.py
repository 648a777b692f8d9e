"""How well the surrogate answers for what it has not seen: ``... --help``."""

from __future__ import annotations

import argparse
import math
import random
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.gpu.replay.records import records
from benchmarks.gpu.replay.surrogate import Surrogate
from benchmarks.gpu.replay.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.gpu.replay.machine import Answer
    from benchmarks.gpu.replay.records import Record

    Pairs = Sequence[tuple[Record, Answer]]

_HELD_OUT = 0.2


def accuracy(raw: Sequence[Path], kernel: str, fast_ms: float) -> str:
    """Fits the surrogate to four fifths of the records and compares it with the others.

    Args:
        raw: files of records.
        kernel: name of the problem.
        fast_ms: what counts as fast.
    """
    known = records(raw, kernel)
    random.Random(0).shuffle(known)
    n = int(_HELD_OUT * len(known))
    with World.simulated():
        space = World(kernel, raw).space
        surrogate = Surrogate(space, known[n:])
        pairs = [(record, surrogate.answer(record.config, "")) for record in known[:n]]
    agree = statistics.fmean((r.fault is None) == (a.fault is None) for r, a in pairs)
    fast = [(r, a) for r, a in pairs if (r.latency_ms or math.inf) < fast_ms]
    return (
        f"{len(known)} configurations, {n} held out: {agree:.1%} of failures and successes told "
        f"apart; median error of latencies {_latency_error(pairs):.1%}, of those below "
        f"{fast_ms:g} ms {_latency_error(fast):.1%}, of compile times {_compile_error(pairs):.1%}"
    )


def _latency_error(pairs: Pairs) -> float:
    return statistics.median(
        abs(a.latency_ms / r.latency_ms - 1.0) for r, a in pairs if r.latency_ms is not None
    )


def _compile_error(pairs: Pairs) -> float:
    return statistics.median(abs(a.compile_s / r.compile_s - 1.0) for r, a in pairs if r.compile_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, nargs="+", required=True, help="files of records")
    parser.add_argument("--kernel", default="attention", help="(default: attention)")
    parser.add_argument("--fast", type=float, default=0.3, help="ms (default: 0.3)")
    args = parser.parse_args()
    print(accuracy(args.raw, args.kernel, args.fast))


if __name__ == "__main__":
    main()
