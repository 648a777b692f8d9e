"""Runs tuners, each in a fresh process, within a budget of time; on a device one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import IO, TYPE_CHECKING

from benchmarks.gpu import processes, records, tuners
from benchmarks.gpu.child import RESULT_NAME
from benchmarks.gpu.lanes import lanes_on, side_by_side
from benchmarks.gpu.progress import say
from benchmarks.gpu.records import Job, Run
from benchmarks.gpu.utilization import Samples, sampled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.gpu.lanes import Lane


def run_all(
    raw: Path,
    kernels: Sequence[str],
    tuner_names: Sequence[str],
    seeds: Sequence[int],
    *,
    budget: float,
    guess: float,
    devices: Sequence[int] = (),
) -> None:
    """Does the runs that ``raw`` lacks; for each kernel and seed the tuners take turns.

    Runs that failed come again, after all others. A run that probably takes longer than what is
    left is left out; one that does take longer is stopped and recorded as failed.

    Args:
        raw: file of raw results, appended to; what the tuners print goes beside it (*.log).
        kernels: names of problems.
        tuner_names: names of tuners.
        seeds: seeds of the tuners.
        budget: seconds after which this returns.
        guess: seconds for a run of a tuner that ``raw`` knows no run of.
        devices: numbers of GPUs to work side by side; none stands for what is visible, as one.

    Raises:
        ValueError: A device is not there.
        RuntimeError: No kernel runs.
    """
    deadline = time.monotonic() + budget
    lanes = lanes_on(devices)
    wanted = [Job(k, t, s) for k, s, t in product(kernels, seeds, tuner_names)]
    todo = _missing(wanted, _known(raw))
    if todo:
        warm_up(lanes[0])
        side_by_side(lanes, _Runs(raw, todo, deadline, guess).work)


class _Runs:
    """Runs for lanes to do.

    Args:
        raw: file of raw results.
        todo: what is wanted, the most wanted first.
        deadline: when all is over, by the monotonic clock.
        guess: seconds for a run of an unknown tuner.
    """

    def __init__(self, raw: Path, todo: Sequence[Job], deadline: float, guess: float) -> None:
        self._raw = raw
        self._todo = list(todo)
        self._deadline = deadline
        self._guess = guess
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.Lock()

    def work(self, lane: Lane, stop: threading.Event) -> None:
        """Does in a lane what there is to do for it."""
        while not stop.is_set() and (job := self._next(lane)) is not None:
            self._try(job, lane, stop)

    def _next(self, lane: Lane) -> Job | None:
        """Gives a kernel to the lane that asks first, for compared tuners share a device."""
        with self._lock:
            for job in self._todo:
                if self._lanes.setdefault(job.kernel, lane) is lane:
                    self._todo.remove(job)
                    return job
        return None

    def _try(self, job: Job, lane: Lane, stop: threading.Event) -> None:
        left = self._deadline - time.monotonic() - processes.GRACE_SECONDS
        estimate = _estimate(job, _known(self._raw), self._guess)
        if estimate > left:
            lane.say(f"{job}: left out, for it may take {estimate:.0f} s of the {left:.0f} s left")
            return
        lane.say(f"{job}: starts; it may take {estimate:.0f} s of the {left:.0f} s left")
        with lane.beside(self._raw, ".log").open("ab") as log:
            log.write(f"\n===== {job}\n".encode())
            log.flush()
            run = run_one(job, lane, stop, limit=left, log=log)
        records.append(self._raw, run)
        lane.say(f"{job}: {_summary(run)}")


def warm_up(lane: Lane) -> None:
    """Runs a kernel once in a new process, so that no run of any lane reads a cold disk.

    Raises:
        RuntimeError: It does not run or is wrong; then nothing else would be right.
    """
    say("a kernel is run once, for a start")
    with tempfile.TemporaryDirectory(prefix="gb", ignore_cleanup_errors=True) as name:
        command = [sys.executable, "-m", "benchmarks.gpu.warm_up"]
        environment = os.environ | lane.environment() | _fresh_caches(Path(name))
        # Not to standard output, which is for what the user asked for.
        status = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if status.returncode != 0:
        raise RuntimeError("A kernel does not run on this machine as it should; see above.")


def _known(raw: Path) -> dict[Job, Run]:
    return records.runs([raw] if raw.exists() else [])


def _missing(wanted: Sequence[Job], known: Mapping[Job, Run]) -> list[Job]:
    todo = [job for job in wanted if job not in known or known[job].error is not None]
    return sorted(todo, key=lambda job: job in known)


def _estimate(job: Job, known: Mapping[Job, Run], guess: float) -> float:
    finished = [run for run in known.values() if run.tuner == job.tuner and run.error is None]
    same = [run for run in finished if run.kernel == job.kernel]
    longest = max((run.process_seconds or 0.0 for run in same or finished), default=guess)
    # One that was stopped takes longer than it did.
    stopped = known[job].process_seconds if job in known else None
    return max(longest, stopped or 0.0)


def run_one(job: Job, lane: Lane, stop: threading.Event, *, limit: float, log: IO[bytes]) -> Run:
    """Does one run in a process with empty caches; stops it after ``limit`` seconds.

    Args:
        job: what to run.
        lane: where.
        stop: stops it when it is set.
        limit: seconds.
        log: where what it prints goes.
    """
    # A short path, since sockets are made in it.
    with tempfile.TemporaryDirectory(prefix="gb", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        environment = (
            os.environ
            | lane.environment()
            | _fresh_caches(folder)
            | tuners.environment(job.tuner, job.seed, folder)
        )
        started = time.time()
        child = subprocess.Popen(
            [
                *(sys.executable, "-u", "-m", "benchmarks.gpu.child"),
                *(json.dumps(job), repr(started), name),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with sampled(environment) as samples:
            processes.attend(child, stop, limit)
        result = folder / RESULT_NAME
        if result.exists():
            return _with_utilization(records.runs([result])[job], started, samples)
        error = f"the process ended with {child.returncode} and without a result"
        return Run(*job, process_seconds=time.time() - started, error=error)


def _with_utilization(run: Run, started: float, samples: Samples) -> Run:
    end = started + (run.process_seconds or 0.0)
    return replace(run, gpu_utilization=samples.mean(end - (run.seconds or 0.0), end))


def _fresh_caches(folder: Path) -> dict[str, str]:
    caches = {
        name: str(folder / name.lower())
        for name in ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "HELION_CACHE_DIR")
    }
    (folder / "tmp").mkdir()
    return {**caches, "TMPDIR": str(folder / "tmp"), "PYTHONUNBUFFERED": "1"}


def _summary(run: Run) -> str:
    spent = f"{run.seconds or 0:.1f} s ({run.process_seconds or 0:.1f} s with the start), "
    if run.error is not None:
        return f"{spent}failed: {run.error}"
    return f"{spent}{run.latency_ms} ms, {run.outcomes}"
