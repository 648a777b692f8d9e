"""The process of one run: ``python -m benchmarks.gpu.child``; :mod:`benchmarks.gpu.run` starts it.

It is interrupted by SIGINT when its time is over or the user interrupts, and says then how far it
came.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from benchmarks.gpu import records, tuners
from benchmarks.gpu.records import Job

RESULT_NAME = "result.jsonl"


def main(job: Job, process_started: float, folder: Path) -> None:
    """Tunes and writes the record of the run into ``folder``.

    Args:
        job: what to run.
        process_started: seconds since the epoch.
        folder: where the tuner's files go, too.
    """
    # The parent imports this module for a name; what takes long to import is for the child.
    import torch

    from benchmarks.gpu.kernels import DEVICE
    from benchmarks.gpu.machine import cores, device_name, versions
    from benchmarks.gpu.problems import PROBLEMS

    tuner = tuners.load(job.tuner)
    problem = PROBLEMS[job.kernel]
    args = problem.args()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    # It is ignored where a shell started all this in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    error = None
    started, clock = time.time(), time.perf_counter()
    try:
        tuner.run(problem.kernel, args, job.seed)
    except KeyboardInterrupt:
        error = "stopped: its time was over, or somebody interrupted"
    except Exception as exception:
        # The run is what is examined here, and any failure is a result.
        error = f"{type(exception).__name__}: {exception}"[:2000]
    seconds = time.perf_counter() - clock
    tuned = tuner.result(folder, started)
    if error is None and tuned.config is None:
        error = "it returned without saying which configuration has won"
    run = records.Run(
        *job,
        device=device_name(),
        cores=cores(),
        versions=versions(),
        seconds=seconds,
        process_seconds=started + seconds - process_started,
        points=tuned.points,
        config=tuned.config,
        latency_ms=tuned.latency_ms,
        measuring_seconds=tuned.measuring_seconds,
        stop_reason=tuned.stop_reason,
        error=error,
    )
    records.append(folder / RESULT_NAME, run)


if __name__ == "__main__":
    main(Job(*json.loads(sys.argv[1])), float(sys.argv[2]), Path(sys.argv[3]))
    # What a tuner leaves behind must not make the next run wait.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
