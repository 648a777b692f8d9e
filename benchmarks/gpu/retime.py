"""Times the winners of a kernel against each other, in one process.

First, worker processes compile every configuration into a shared cache and compare its result
with the reference. Then this process times those that passed, round after round, in an order
that rotates.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.gpu import records
from benchmarks.gpu.lanes import lanes_on, side_by_side
from benchmarks.gpu.processes import attend
from benchmarks.gpu.progress import say
from benchmarks.gpu.records import Retimed, Retiming, Run
from benchmarks.gpu.trajectory import best_at

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.gpu.lanes import Lane

DEFAULT = "default"
"""Ends the name of Helion's default configuration, which no file tells: it stands empty there."""

AT_QUICK = "at_quick"
"""Ends the name of what a run would have returned when the quick search returned."""

AT_STOP = "at_stop"
"""Ends the name of the best that a run had measured when it was stopped."""

TOLERANCE = 0.02
"""Largest relative error of a result in bfloat16."""

_REPEAT = 40
_ROUND_MS = 250.0


def retime_all(
    raw: Sequence[Path], out: Path, kernels: Sequence[str], *, rounds: int, budget: float
) -> None:
    """Times what ``out`` lacks, a kernel at a time; begins no kernel after ``budget`` seconds.

    Args:
        raw: files of runs.
        out: file of re-timings, appended to.
        kernels: names of problems.
        rounds: how often everything is timed.
        budget: seconds.
    """
    started = time.monotonic()
    with shared_cache():
        for kernel, checked in check_all(_todo(raw, out, kernels)).items():
            if time.monotonic() - started > budget:
                say(f"{kernel}: left out, for the budget is spent")
                continue
            say(f"{kernel}: {len(checked)} configurations")
            records.append(out, _retiming(kernel, checked, rounds))


def retime_on(
    devices: Sequence[int],
    raw: Sequence[Path],
    out: Path,
    kernels: Sequence[str],
    *,
    rounds: int,
    budget: float,
) -> None:
    """Does :func:`retime_all` on several GPUs side by side, each kernel on one of them.

    Args:
        devices: numbers of the GPUs.
        raw: files of runs.
        out: file of re-timings, appended to.
        kernels: names of problems.
        rounds: how often everything is timed.
        budget: seconds.

    Raises:
        ValueError: A device is not there.
        RuntimeError: A process failed; those of the other devices have ended by then.
    """
    todo = list(_todo(raw, out, kernels))
    if not todo:
        return
    lanes = lanes_on(devices[: len(todo)])
    shares = {lane: todo[i :: len(lanes)] for i, lane in enumerate(lanes)}
    options = ["--raw", *map(str, raw), "--out", str(out)]
    options += ["--rounds", str(rounds), "--budget", str(budget)]

    def work(lane: Lane, stop: threading.Event) -> None:
        _retime_in_process(lane, stop, [*options, "--kernels", ",".join(shares[lane])])

    side_by_side(lanes, work)


def _retime_in_process(lane: Lane, stop: threading.Event, options: Sequence[str]) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gpu", "retime", *options],
        env=os.environ | lane.environment(),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    attend(child, stop)
    if child.returncode != 0:
        raise RuntimeError(
            f"The process of device {lane.device} ended with {child.returncode}; see above."
        )


def _todo(raw: Sequence[Path], out: Path, kernels: Sequence[str]) -> dict[str, list[Retimed]]:
    known = records.retimings([out] if out.exists() else [])
    return {
        kernel: configs
        for kernel, configs in candidates(records.runs(raw).values()).items()
        if kernel in kernels and (kernel not in known or _missing(configs, known[kernel]))
    }


def check_all(todo: Mapping[str, Sequence[Retimed]]) -> dict[str, list[Retimed]]:
    """Does :func:`check` for the configurations of each kernel, in processes."""
    tasks = [(kernel, retimed) for kernel, configs in todo.items() for retimed in configs]
    checked: dict[str, list[Retimed]] = {kernel: [] for kernel in todo}
    # All of it comes before any timing, which it would disturb.
    say(f"{len(tasks)} configurations are compiled and checked")
    with _pool(len(tasks)) as pool:
        futures = [pool.submit(check, *task) for task in tasks]
        for (kernel, retimed), future in zip(tasks, futures, strict=True):
            checked[kernel].append(_outcome(future, retimed))
    return checked


def candidates(runs: Iterable[Run]) -> dict[str, list[Retimed]]:
    """Returns for each kernel the distinct configurations, with the runs that they come from."""
    every = list(runs)
    finished = {run.job: run for run in every if run.config is not None}
    unfinished = [(run, best_at(run, math.inf)) for run in every if run.config is None]
    stopped = {run.job: best.config for run, best in unfinished if best is not None}
    found: dict[str, dict[str, Retimed]] = {}
    for kernel in dict.fromkeys(job.kernel for job in (*finished, *stopped)):
        found[kernel] = {"": Retimed([f"{kernel}/{DEFAULT}"], {})}
    for run in finished.values():
        _add(found[run.kernel], str(run.job), run.config)
        quick = finished.get(run.job._replace(tuner="quick"))
        if run.tuner == "ours" and quick is not None and quick.seconds is not None:
            by_then = best_at(run, quick.seconds)
            if by_then is not None:
                _add(found[run.kernel], f"{run.job}/{AT_QUICK}", by_then.config)
    for job, config in stopped.items():
        _add(found[job.kernel], f"{job}/{AT_STOP}", config)
    return {kernel: list(by_text.values()) for kernel, by_text in found.items()}


def _add(by_text: dict[str, Retimed], name: str, config: Mapping[str, Any] | None) -> None:
    if config is None:
        return
    text = json.dumps(config, sort_keys=True)
    by_text.setdefault(text, Retimed([], dict(config))).names.append(name)


def _missing(configs: Sequence[Retimed], known: Retiming) -> bool:
    def pairs(listed: Iterable[Retimed]) -> set[tuple[str, str]]:
        return {(name, json.dumps(r.config, sort_keys=True)) for r in listed for name in r.names}

    return not pairs(configs) <= pairs(known.configs)


@contextmanager
def shared_cache() -> Iterator[None]:
    """Makes this process and those that it starts compile into the same new folder."""
    names = ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "HELION_CACHE_DIR")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="gb", ignore_cleanup_errors=True) as folder:
        os.environ.update({name: f"{folder}/{name.lower()}" for name in names})
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def _pool(n_tasks: int) -> ProcessPoolExecutor:
    # Each worker imports everything, which keeps a core busy for some seconds.
    n_workers = max(1, min(8, len(os.sched_getaffinity(0)) // 2, n_tasks))
    # Forked ones could not use CUDA.
    return ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("spawn"))


def check(kernel: str, retimed: Retimed) -> Retimed:
    """Compiles and runs a configuration once; tells how far off its result is, or why it fails."""
    from benchmarks.gpu.problems import PROBLEMS

    problem = PROBLEMS[kernel]
    args = problem.args()
    try:
        result = _compiled(problem.kernel.bind(args), retimed)(*args)
        error = problem.relative_error(result, args)
    except Exception as exception:
        # A winner that does not run is a result of the benchmark.
        return replace(retimed, error=f"{type(exception).__name__}: {exception}"[:2000])
    wrong = None if error <= TOLERANCE else f"a relative error of {error}"
    return replace(retimed, relative_error=error, error=wrong)


def _compiled(bound: Any, retimed: Retimed) -> Callable[..., Any]:
    config = retimed.config or bound.config_spec.default_config().config
    compiled: Callable[..., Any] = bound.compile_config(config)
    return compiled


def _outcome(future: Future[Retimed], retimed: Retimed) -> Retimed:
    try:
        return future.result()
    except BrokenProcessPool as error:
        return replace(retimed, error=f"a process that compiled died: {error}")


def _retiming(kernel: str, checked: Sequence[Retimed], rounds: int) -> Retiming:
    from benchmarks.gpu.machine import device_name, versions
    from benchmarks.gpu.problems import PROBLEMS

    problem = PROBLEMS[kernel]
    args = problem.args()
    bound = problem.kernel.bind(args)
    good = [retimed for retimed in checked if retimed.error is None]
    functions = [partial(_compiled(bound, retimed), *args) for retimed in good]
    samples = rotated_rounds(_timer(bound), functions, rounds)
    timed = [replace(retimed, rounds=ours) for retimed, ours in zip(good, samples, strict=True)]
    for retimed in timed:
        say(f"  {statistics.median(retimed.rounds):.5f} ms  {' '.join(retimed.names)}")
    failed = [retimed for retimed in checked if retimed.error is not None]
    for retimed in failed:
        say(f"  failed  {' '.join(retimed.names)}: {retimed.error}")
    return Retiming(kernel, device_name(), versions(), timed + failed)


def _timer(bound: Any) -> Callable[..., list[float]]:
    """Returns Helion's own way to time several functions in turn."""
    from helion.autotuner.benchmarking import interleaved_bench

    own = bound.env.backend.get_interleaved_bench()
    return partial(own or interleaved_bench, repeat=_REPEAT, max_total_ms=_ROUND_MS)


def rotated_rounds(
    timer: Callable[[list[Callable[[], object]]], list[float]],
    functions: Sequence[Callable[[], object]],
    rounds: int,
) -> list[list[float]]:
    """Returns the latencies of each function, one a round; a round before them warms up."""
    timer(list(functions))
    samples: list[list[float]] = [[] for _ in functions]
    for shift in range(rounds):
        order = [(shift + i) % len(functions) for i in range(len(functions))]
        for index, latency in zip(order, timer([functions[i] for i in order]), strict=True):
            samples[index].append(latency)
    return samples
