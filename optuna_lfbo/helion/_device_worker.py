"""The process that tunes on one of several devices; `_devices` starts it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import optuna
import torch

from optuna_lfbo._terminal import whole_lines
from optuna_lfbo.helion._fork_server import enter, share_server
from optuna_lfbo.helion._outcome import one_line
from optuna_lfbo.helion._stop import INTERRUPTED, StopRule
from optuna_lfbo.helion._storage import open_study

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from optuna_lfbo.helion._devices import Order

_GRACE_S = 10.0


def main(environment: Mapping[str, str], order: Path, report: Path) -> None:
    """Do what ``order`` says, and write to ``report`` what came of it.

    Args:
        environment: Its variables; they say which device this process sees.
        order: File with an `Order` of the process that started this one.
        report: Is written: a JSON object with the ``reason`` for the end, or an ``error``.
    """
    enter(environment)
    share_server()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with whole_lines():
            answer = {"reason": _conduct(order)}
    except KeyboardInterrupt:
        answer = {"reason": INTERRUPTED}
    except Exception as error:  # Whatever it is, the process that waits has to know.
        answer = {"error": one_line(f"{type(error).__name__}: {error}")}
    report.write_text(json.dumps(answer), encoding="utf-8")


def _conduct(path: Path) -> str:
    from optuna_lfbo.helion.tuner import conduct  # Which starts processes with this module.

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
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
