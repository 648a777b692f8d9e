"""The process of one run: ``python -m benchmarks.gpu.child``; :mod:`benchmarks.gpu.run` starts it.

It is interrupted by SIGINT when its time is over, and says then how far it came.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

RESULT_NAME = "result.jsonl"


def main(kernel: str, tuner_name: str, seed: int, process_started: float, folder: Path) -> None:
    """Tunes and writes the record of the run into ``folder``."""
    # What takes long to import is imported while main()'s caller already waits: it is part of
    # the process's time, but not of the tuner's.
    import torch

    from benchmarks.gpu import records, tuners
    from benchmarks.gpu.kernels import DEVICE
    from benchmarks.gpu.machine import cores, device_name, versions
    from benchmarks.gpu.problems import PROBLEMS

    tuner = tuners.load(tuner_name)
    problem = PROBLEMS[kernel]
    args = problem.args()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    error = None
    started, clock = time.time(), time.perf_counter()
    try:
        tuner.run(problem.kernel, args, seed)
    except KeyboardInterrupt:
        error = "stopped: the time that it was given was over"
    except Exception as exception:
        # The run is what is examined here, and any failure is a result.
        error = f"{type(exception).__name__}: {exception}"[:2000]
    seconds = time.perf_counter() - clock
    tuned = tuner.result(folder, started)
    if error is None and tuned.config is None:
        error = "it returned without saying which configuration has won"
    run = records.Run(
        kernel,
        tuner_name,
        seed,
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
    main(*json.loads(sys.argv[1]), folder=Path(sys.argv[2]))
