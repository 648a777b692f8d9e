"""Runs tuners one after the other, each in a fresh process, within a budget of time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import IO, TYPE_CHECKING

from benchmarks.gpu import records, tuners
from benchmarks.gpu.child import RESULT_NAME
from benchmarks.gpu.progress import say
from benchmarks.gpu.records import Job, Run
from benchmarks.gpu.utilization import Samples, sampled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GRACE_SECONDS = 15.0
"""What an interrupted run gets to write its record before it is killed."""


def run_all(
    raw: Path,
    kernels: Sequence[str],
    tuner_names: Sequence[str],
    seeds: Sequence[int],
    *,
    budget: float,
    guess: float,
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
    """
    deadline = time.monotonic() + budget
    wanted = [Job(k, t, s) for k, s, t in product(kernels, seeds, tuner_names)]
    todo = _missing(wanted, _known(raw))
    if todo:
        warm_up()
    for job in todo:
        left = deadline - time.monotonic() - GRACE_SECONDS
        estimate = _estimate(job, _known(raw), guess)
        if estimate > left:
            say(f"{job}: left out, for it may take {estimate:.0f} s of the {left:.0f} s left")
            continue
        say(f"{job}: starts; it may take {estimate:.0f} s of the {left:.0f} s left")
        with raw.with_suffix(".log").open("ab") as log:
            log.write(f"\n===== {job}\n".encode())
            log.flush()
            run = run_one(job, limit=left, log=log)
        records.append(raw, run)
        say(f"{job}: {_summary(run)}")


def warm_up() -> None:
    """Runs a kernel once in a new process, so that the first run does not read a cold disk.

    Raises:
        RuntimeError: It does not run or is wrong; then nothing else would be right.
    """
    say("a kernel is run once, for a start")
    with tempfile.TemporaryDirectory(prefix="gb", ignore_cleanup_errors=True) as name:
        command = [sys.executable, "-m", "benchmarks.gpu.warm_up"]
        environment = os.environ | _fresh_caches(Path(name))
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


def run_one(job: Job, *, limit: float, log: IO[bytes]) -> Run:
    """Does one run in a process with empty caches; stops it after ``limit`` seconds.

    Args:
        job: what to run.
        limit: seconds.
        log: where what it prints goes.
    """
    # A short path, since sockets are made in it.
    with tempfile.TemporaryDirectory(prefix="gb", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        started = time.time()
        child = subprocess.Popen(
            [
                *(sys.executable, "-u", "-m", "benchmarks.gpu.child"),
                *(json.dumps(job), repr(started), name),
            ],
            env=os.environ
            | _fresh_caches(folder)
            | tuners.environment(job.tuner, job.seed, folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with sampled() as samples:
            try:
                _wait(child, limit)
            finally:
                # Workers of a child that died would disturb the next run.
                _kill_group(child)
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


def _wait(child: subprocess.Popen[bytes], limit: float) -> None:
    try:
        child.wait(limit)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            say("the run does not heed the interrupt and is killed")


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _summary(run: Run) -> str:
    spent = f"{run.seconds or 0:.1f} s ({run.process_seconds or 0:.1f} s with the start), "
    if run.error is not None:
        return f"{spent}failed: {run.error}"
    return f"{spent}{run.latency_ms} ms, {run.outcomes}"
