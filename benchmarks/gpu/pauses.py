"""How a measurement ranks configurations, by what the device did before it.

``python -m benchmarks.gpu.pauses --raw raw.jsonl --kernel matmul --out pauses.jsonl`` measures the
best configurations of each of ``optuna_lfbo``'s runs on the kernel in several ways, and prints how
well each way ranks them as timing them all in turn does.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.gpu import records, retime
from benchmarks.gpu.progress import say
from benchmarks.gpu.records import Retimed
from benchmarks.lines import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.gpu.records import Run

IN_TURN = "in turn"
"""The way that the others are compared with: as in the final comparison."""

_PAUSE_S = 0.1
_WINDOW_MS = 25.0
_REPEATS = 3
_ROUNDS = 8
_MOST = 30
"""Configurations of a run."""
_MOST_ALIKE = 6
_KIND = ("block_sizes", "num_warps", "num_stages", "pid_type", "indexing")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.pauses", description=__doc__)
    parser.add_argument("--raw", type=Path, nargs="+", help="files of runs; none if --out has all")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--out", type=Path, required=True, help="appended to")
    args = parser.parse_args()
    if args.raw:
        configs = list(best_of(records.runs(args.raw).values(), args.kernel))
        with retime.shared_cache(), args.out.open("a", encoding="utf-8") as file:
            for line in measured(args.kernel, configs):
                file.write(as_line(line) + "\n")
    lines = map(json.loads, records.text_of(args.out).splitlines())
    print(table([line for line in lines if line["kernel"] == args.kernel]))


def best_of(runs: Iterable[Run], kernel: str) -> Iterable[dict[str, Any]]:
    """Returns the fastest configurations of each run on ``kernel``, of which few are alike."""
    chosen: dict[str, dict[str, Any]] = {}
    for run in runs:
        if (run.kernel, run.tuner) != (kernel, "ours"):
            continue
        alike: Counter[str] = Counter()
        timed = [(p.latency_ms, p.config) for p in run.points if p.status == "ok" and p.latency_ms]
        for _, config in sorted(timed, key=lambda pair: pair[0]):
            kind = json.dumps([config.get(name) for name in _KIND])
            if alike[kind] < _MOST_ALIKE and alike.total() < _MOST:
                alike[kind] += 1
                chosen.setdefault(json.dumps(config, sort_keys=True), config)
    return chosen.values()


def measured(kernel: str, configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Measures each configuration that runs and is right in every way.

    Returns:
        For each its kernel, its ``config``, and by way the latencies in milliseconds.
    """
    from benchmarks.gpu.kernels import DEVICE
    from benchmarks.gpu.problems import PROBLEMS
    from optuna_lfbo.helion import _compat_worker as compat

    wanted = {kernel: [Retimed([str(i)], dict(config)) for i, config in enumerate(configs)]}
    good = [checked for checked in retime.check_all(wanted)[kernel] if checked.error is None]
    args = PROBLEMS[kernel].args()
    bound = PROBLEMS[kernel].kernel.bind(args)
    calls = [partial(bound.compile_config(checked.config), *args) for checked in good]
    events = DEVICE == "cuda"
    latency = partial(compat.milliseconds, window_ms=_WINDOW_MS, mode="median", events=events)
    ways: dict[str, Callable[[Callable[[], object]], None]] = {
        "after a pause": lambda call: time.sleep(_PAUSE_S),
        "after own calls for 80 ms": partial(_occupy, seconds=0.08),
        "after own calls for 30 ms": partial(_occupy, seconds=0.03),
        "one right after another": lambda call: None,
    }
    shuffled = random.Random(0)
    samples = {
        way: _sampled(way, calls, prepare, latency, shuffled) for way, prepare in ways.items()
    }
    say(IN_TURN)
    timer = partial(compat.milliseconds_interleaved, repeat=int(_WINDOW_MS), events=events)
    samples[IN_TURN] = retime.rotated_rounds(timer, calls, _ROUNDS)
    return [
        {"kernel": kernel, "config": one.config, **{way: of[i] for way, of in samples.items()}}
        for i, one in enumerate(good)
    ]


def _sampled(
    way: str,
    calls: Sequence[Callable[[], object]],
    prepare: Callable[[Callable[[], object]], None],
    latency: Callable[[Callable[[], object]], float],
    shuffled: random.Random,
) -> list[list[float]]:
    """Latencies of each call by one way, a few times each in a random order."""
    from optuna_lfbo.helion import _compat_worker as compat

    say(way)
    samples: list[list[float]] = [[] for _ in calls]
    for _ in range(_REPEATS):
        for i in shuffled.sample(range(len(calls)), len(calls)):
            calls[i]()
            compat.synchronize_device()
            prepare(calls[i])
            samples[i].append(latency(calls[i]))
    return samples


def _occupy(call: Callable[[], object], *, seconds: float) -> None:
    from optuna_lfbo.helion import _compat_worker as compat

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(20):
            call()
        compat.synchronize_device()


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Returns how each way ranks the configurations, as Markdown."""
    from scipy.stats import spearmanr

    ways = [name for name in lines[0] if name not in ("kernel", "config", IN_TURN)]
    right = [statistics.median(line[IN_TURN]) for line in lines]
    rows = [
        f"{len(lines)} configurations of {lines[0]['kernel']}\n",
        "| measured | rank correlation | its best, in turn | the best of its five, in turn |",
        "| --- | ---: | ---: | ---: |",
    ]
    for way in ways:
        latencies = [statistics.median(line[way]) for line in lines]
        ranked = [ms for _, ms in sorted(zip(latencies, right, strict=True))]
        shares = [min(ranked[:n]) / min(right) for n in (1, 5)]
        correlation = spearmanr(latencies, right).statistic
        rows.append(f"| {way} | {correlation:.2f} | {shares[0]:.3f} | {shares[1]:.3f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
