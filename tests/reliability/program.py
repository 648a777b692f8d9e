"""A program to tune whose configurations do what the test has planned for them, once."""

from __future__ import annotations

import ctypes
import functools
import json
import multiprocessing
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import torch
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from optuna_lfbo.callables import callable_objective
from optuna_lfbo.helion import _members
from optuna_lfbo.helion._ledger import has_outcome
from tests.reliability.servers import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from optuna_lfbo.callables import CallableObjective

N = 24
"""Configurations, unless a test has more."""
BEST = 5
WRITTEN = 300_000
"""Bytes that a configuration writes to the cache if it is planned."""
LIMIT_S = 6.0
"""For compiling as for measuring, which take some milliseconds unless they hang."""
STORM = "storm"
"""While this file is there, the study is not to come to its end."""
_STORM_SHARE = 0.6
_STORM_S = 3.0


def compile_fn(
    folder: str, n: int, params: dict[str, Any]
) -> Callable[[torch.Tensor], torch.Tensor]:
    happen(folder, f"compile-{params['v']}")
    if params["v"] >= _STORM_SHARE * n:
        _sit_out(Path(folder) / STORM)
    note(folder, "compiled", params["v"], os.getpid())
    return functools.partial(run, folder, params["v"])


def run(folder: str, v: int, x: torch.Tensor) -> torch.Tensor:
    happen(folder, f"measure-{v}")
    time.sleep(0.001 if v == BEST else 0.003 + 0.00005 * v)
    return x


def happen(folder: str, moment: str) -> None:
    """Do what is planned for this moment, if it has not been done."""
    path = Path(folder) / "plans" / moment
    try:
        plan = path.read_text()
        if plan == "write":
            write(folder)
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
    if plan == "meet":
        _meet(Path(folder))
    if plan.startswith("die in "):
        threading.Thread(target=_die, args=(float(plan.split()[-1]),)).start()


def _sit_out(storm: Path) -> None:
    """Compile until it is over, but not for so long that it would be a fault."""
    deadline = time.monotonic() + _STORM_S
    while storm.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def _meet(folder: Path) -> None:
    """Wait a moment for another process that is as far."""
    (folder / f"here-{os.getpid()}").touch()
    deadline = time.monotonic() + 3.0
    while len(list(folder.glob("here-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)


def write(folder: str) -> None:
    """Leave as much in the cache of compilers as they may do."""
    entry = Path(os.environ["TRITON_CACHE_DIR"]) / str(time.monotonic_ns())
    entry.mkdir(parents=True)
    (entry / "kernel.bin").write_bytes(bytes(WRITTEN))
    note(folder, "wrote", str(entry))


def _die(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def note(folder: str, *words: object) -> None:
    """Write a line that survives whatever happens to this process."""
    # A line before it may lack its end.
    line = "\n" + json.dumps([time.time(), *words]) + "\n"
    descriptor = os.open(Path(folder) / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def objective(folder: str, n: int) -> CallableObjective:
    return callable_objective(
        functools.partial(compile_fn, folder, n),
        (torch.zeros(1),),
        {"v": IntDistribution(0, n - 1)},
        seeds=[{"v": v} for v in sorted(range(n), key=lambda v: v != BEST)],
        compile_timeout=LIMIT_S,
        benchmark_timeout=LIMIT_S,
    )


def tune(
    folder: str,
    storage: dict[str, Any],
    n: int = N,
    temporary: str | None = None,
    machine: str | None = None,
) -> None:
    """Tune in this process, and write down what it tells and finds."""
    tempfile.tempdir = temporary or str(Path(folder) / "temporary")
    # A test that dies between two lines cannot wait as long as people can.
    _members._UNKNOWN_S = 5.0  # type: ignore[misc]
    started = time.time()
    if machine is not None:  # One that has just been started.
        _members._machine = lambda: machine  # type: ignore[assignment]
        _members._booted = lambda: started
    _watch_tell(folder)
    result = objective(folder, n).tune(
        storage=opened(storage), study_name="study", sampler=Remaining(n)
    )
    note(folder, "result", os.getpid(), result.config["v"], result.stop_reason)
    print(f"{result.config} {result.stop_reason} after {time.time() - started:.1f} s", flush=True)


class Remaining(BaseSampler):
    """Takes what has no outcome, first what nobody else is at work on; ends the study with it."""

    def __init__(self, n: int) -> None:
        self._n = n

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> int:
        trials = study.get_trials(deepcopy=False)
        left = self._left(trials)
        running = {t.params.get("v") for t in trials if t.state == TrialState.RUNNING}
        return random.choice([v for v in left if v not in running] or left or list(range(self._n)))

    def after_trial(self, study: optuna.Study, *_: Any) -> None:
        if not self._left(study.get_trials(deepcopy=False)):
            study.stop()

    def _left(self, trials: Sequence[FrozenTrial]) -> list[int]:
        known = {trial.params["v"] for trial in trials if has_outcome(trial)}
        return [v for v in range(self._n) if v not in known]


def _watch_tell(folder: str) -> None:
    tell = optuna.Study.tell

    def watched(
        self: optuna.Study, trial: optuna.Trial, *args: Any, **kwargs: Any
    ) -> optuna.trial.FrozenTrial:
        happen(folder, f"tell-{trial.params.get('v')}")
        told = tell(self, trial, *args, **kwargs)
        note(
            folder, "told", told.number, told.state.name, told.value, told.params["v"], os.getpid()
        )
        return told

    optuna.Study.tell = watched  # type: ignore[method-assign]
