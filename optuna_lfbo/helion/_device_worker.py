"""The process that tunes on one of several devices; `_devices` starts it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import torch

from optuna_lfbo._terminal import whole_lines
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion._stop import StopRule
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion.tuner import conduct

if TYPE_CHECKING:
    from optuna_lfbo.helion._devices import Order

_GRACE_S = 10.0


def main(order: Path, report: Path) -> None:
    """Do what ``order`` says, and write to ``report`` what came of it.

    Args:
        order: File with an `Order` of the process that started this one.
        report: Is written: a JSON object with the ``reason`` for the end, or an ``error``.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with whole_lines():
            answer = {"reason": _conduct(order)}
    except KeyboardInterrupt:
        answer = {"reason": "interrupted"}
    except Exception as error:  # Whatever it is, the process that waits has to know.
        answer = {"error": one_line(f"{type(error).__name__}: {error}")}
    report.write_text(json.dumps(answer), encoding="utf-8")


def _conduct(path: Path) -> str:
    # Those arguments that were on any GPU are on the only one that this process sees.
    location = "cuda:0" if torch.cuda.is_available() else "cpu"
    order: Order = torch.load(path, map_location=location, weights_only=False)
    optuna.logging.set_verbosity(order.verbosity)
    if order.sampler is not None:
        order.sampler.reseed_rng()
    sampler = order.sampler or order.task.sampler(order.seed)
    study = open_study(order.study_name, order.storage, sampler)
    stop = StopRule(order.n_trials, order.timeout)
    stop.join(time.time() - order.session[0])
    return conduct(order.task, study, stop, order.seed, session=order.session)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
