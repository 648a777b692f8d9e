"""A program to tune whose configurations do what the test has planned for them, once."""

from __future__ import annotations

import ctypes
import functools
import json
import multiprocessing
import os
import signal
import subprocess
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import torch
from optuna.distributions import IntDistribution

from optuna_lfbo.callables import callable_objective
from optuna_lfbo.helion import _members
from tests.reliability.servers import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna_lfbo.callables import CallableObjective

N = 24
"""Configurations."""
BEST = 5
LIMIT_S = 6.0
"""For compiling as for measuring, which take some milliseconds unless they hang."""
SPACE = {"v": IntDistribution(0, N - 1)}


def compile_fn(folder: str, params: dict[str, Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    happen(folder, f"compile-{params['v']}")
    note(folder, "compiled", params["v"], os.getpid())
    return functools.partial(run, folder, params["v"])


def run(folder: str, v: int, x: torch.Tensor) -> torch.Tensor:
    happen(folder, f"measure-{v}")
    time.sleep(0.001 if v == BEST else 0.003 + 0.0001 * v)
    return x


def happen(folder: str, moment: str) -> None:
    """Do what is planned for this moment, if it has not been done."""
    path = Path(folder) / "plans" / moment
    try:
        plan = path.read_text()
        path.unlink()
    except FileNotFoundError:
        return
    note(folder, "fault", moment, plan)
    parent = multiprocessing.parent_process()
    if plan == "kill the tuner":
        assert parent is not None
        os.kill(parent.pid, signal.SIGKILL)
        time.sleep(3600)
    if plan == "kill the process":
        os.kill(os.getpid(), signal.SIGKILL)
    if plan == "crash":
        ctypes.string_at(0)
    if plan == "hang":
        subprocess.Popen(["sleep", "3600"], cwd=folder)  # As a compiler that calls another one.
        ctypes.PyDLL(None).sleep(3600)  # With the GIL.
    if plan.startswith("die in "):
        threading.Thread(target=_die, args=(float(plan.split()[-1]),)).start()


def _die(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def note(folder: str, *words: object) -> None:
    """Write a line that survives whatever happens to this process."""
    line = json.dumps([time.time(), *words]) + "\n"
    descriptor = os.open(Path(folder) / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def objective(folder: str) -> CallableObjective:
    return callable_objective(
        functools.partial(compile_fn, folder),
        (torch.zeros(1),),
        SPACE,
        seeds=[{"v": v} for v in range(N)],
        compile_timeout=LIMIT_S,
        benchmark_timeout=LIMIT_S,
    )


def tune(folder: str, storage: dict[str, Any], **options: Any) -> None:
    """Tune in this process, and write down what it tells and finds."""
    # A test that dies between two lines cannot wait as long as people can.
    _members._UNKNOWN_S = 2.0  # type: ignore[misc]
    _watch_tell(folder)
    started = time.time()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    sampler = optuna.samplers.BruteForceSampler(seed=os.getpid())
    result = objective(folder).tune(
        storage=opened(storage), study_name="study", sampler=sampler, **options
    )
    note(folder, "result", os.getpid(), result.config["v"], result.stop_reason)
    print(f"{result.config} {result.stop_reason} after {time.time() - started:.1f} s", flush=True)


def _watch_tell(folder: str) -> None:
    tell = optuna.Study.tell

    def watched(
        self: optuna.Study, trial: optuna.Trial, *args: Any, **kwargs: Any
    ) -> optuna.trial.FrozenTrial:
        happen(folder, f"tell-{trial.params.get('v')}")
        told = tell(self, trial, *args, **kwargs)
        note(folder, "told", told.number, told.state.name, told.value, told.params["v"])
        return told

    optuna.Study.tell = watched  # type: ignore[method-assign]
