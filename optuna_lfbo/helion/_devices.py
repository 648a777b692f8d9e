"""Tuning on several devices of one machine: a worker process for each, and one study."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cloudpickle
import optuna
import torch
from optuna.storages import InMemoryStorage

from optuna_lfbo.helion import _device_worker
from optuna_lfbo.helion._folder import work_folder
from optuna_lfbo.helion._fork_server import forked
from optuna_lfbo.helion._local_journal import local_journal
from optuna_lfbo.helion._progress import StudyProgress
from optuna_lfbo.helion._stop import INTERRUPTED, StopRule
from optuna_lfbo.helion.exceptions import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._task import Task

_POLL_S = 0.1
_SHOW_S = 1.0
_MOST_STARTS = 3
_GRACE_S = 20.0
"""What interrupted workers get to tell what they know before they are killed."""

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


@dataclass(frozen=True)
class Order:
    """What a worker process is to do.

    Attributes:
        task: What is tuned, on the device that the worker sees.
        storage: Where the study is.
        study_name: Its name.
        sampler: Proposes configurations; None for the task's own.
        seed: Of the task's own sampler.
        n_trials: As for ``tune``.
        timeout: As for ``tune``.
        session: When tuning began, in seconds since the epoch, and how many trials the study
            had then.
        verbosity: Optuna's level of logging.
    """

    task: Task
    storage: str | BaseStorage
    study_name: str
    sampler: BaseSampler | None
    seed: int | None
    n_trials: int | None
    timeout: float | None
    session: tuple[float, int]
    verbosity: int


def checked_devices(devices: Sequence[object], task: Task) -> list[torch.device]:
    """Return ``devices`` as torch has them.

    Raises:
        TypeError: They are not a sequence of devices.
        ValueError: There is none, one is not there or of another kind than the arguments', or
            a GPU is named twice.
    """
    if isinstance(devices, str) or not hasattr(devices, "__iter__"):
        raise TypeError(
            f"devices={devices!r}: expected a list of devices, such as [0, 1] for two GPUs or "
            "['cpu', 'cpu'] for two workers on the CPU."
        )
    found = [_device(device) for device in devices]
    if not found:
        raise ValueError("devices is empty: expected at least one device, or None.")
    if any(device.type != task.device.type for device in found):
        raise ValueError(
            f"devices={devices!r}: the arguments are on {task.device.type!r}, and so must be "
            "all devices."
        )
    if task.device.type != "cpu" and len(set(found)) < len(found):
        raise ValueError(f"devices={devices!r}: two workers on one GPU disturb each other.")
    return found


def _device(device: object) -> torch.device:
    try:
        named = f"cuda:{device}" if isinstance(device, int) else device
        found = torch.device(named)  # type: ignore[call-overload]
    except (RuntimeError, TypeError) as error:
        raise TypeError(f"devices has {device!r}, which is no device of torch: {error}") from error
    if found.type == "cpu":
        return torch.device("cpu")
    found = torch.device(found.type, found.index or 0)
    n_devices = torch.cuda.device_count() if found.type == "cuda" else 0
    if (found.index or 0) >= n_devices:
        raise ValueError(f"devices has {device!r}, but torch sees {n_devices} such device(s).")
    return found


@contextlib.contextmanager
def shared_storage(
    storage: str | BaseStorage | None,
) -> Iterator[str | BaseStorage]:
    """A storage for several processes; in a temporary folder if there is none.

    Raises:
        ValueError: It is in the memory of this process.
    """
    if isinstance(storage, InMemoryStorage):
        raise ValueError(
            "storage is an InMemoryStorage, which the workers of several devices cannot share; "
            "pass None or the URL of a database, such as 'sqlite:///tuning.db'."
        )
    if storage is not None:
        yield storage
        return
    with work_folder() as folder:
        yield local_journal(folder / "study.log")


def in_memory(study: optuna.Study) -> optuna.Study:
    """Return a copy of ``study`` that needs no file."""
    storage = InMemoryStorage()
    optuna.copy_study(
        from_study_name=study.study_name, from_storage=study._storage, to_storage=storage
    )
    return optuna.load_study(study_name=study.study_name, storage=storage, sampler=study.sampler)


def conduct_on(
    devices: Sequence[torch.device],
    order: Order,
    study: optuna.Study,
    show_progress: bool,
    told: Callable[[FrozenTrial], None],
) -> str:
    """Run a worker for each device until all have ended; ``told`` is called with each trial.

    Returns:
        Why tuning ended.

    Raises:
        KernelError: All workers failed.
    """
    news = _News(study, told)
    with work_folder() as folder:
        path = folder / "order.pt"
        torch.save(order, path, pickle_module=cloudpickle)
        workers = [_Worker(path, device, i, len(devices)) for i, device in enumerate(devices)]
        try:
            for worker in workers:
                worker.start()
            stop = StopRule(order.n_trials, order.timeout)
            unit = "ms" if order.task.metric == "latency_ms" else "x the default latency"
            with StudyProgress(study, stop, unit, show_progress) as progress:
                _wait(workers, news.tell, progress.refresh)
            return _reason([worker.report() for worker in workers])
        except KeyboardInterrupt:
            for worker in workers:
                worker.interrupt()
            _wait(workers, news.tell, limit_s=_GRACE_S)
            return INTERRUPTED
        finally:
            for worker in workers:
                worker.kill()


class _Worker:
    """A process that tunes on one device, and ends with this one."""

    def __init__(self, order: Path, device: torch.device, rank: int, n_workers: int) -> None:
        self._name = str(device)
        self._order = order
        self._report = order.with_name(f"report{rank}.json")
        self._environment = os.environ | _environment(device, rank, n_workers)
        self._process: BaseProcess | None = None
        self._n_starts = 0

    def start(self) -> None:
        """Start the process, or another one in its place."""
        self.kill()
        self._n_starts += 1
        self._process = forked(
            _device_worker.main, dict(self._environment), self._order, self._report
        )

    @property
    def has_ended(self) -> bool:
        """Whether there is no process any more."""
        return self._process is None or self._process.exitcode is not None

    @property
    def has_died(self) -> bool:
        """Whether it has ended without a word, and may be started once more."""
        return self.has_ended and not self._report.exists() and self._n_starts < _MOST_STARTS

    def interrupt(self) -> None:
        """Ask the process to end."""
        self._n_starts = _MOST_STARTS
        if self._process is not None and not self.has_ended:
            self._process.terminate()

    def kill(self) -> None:
        """End the process now."""
        if self._process is None:
            return
        self._process.kill()
        self._process.join()

    def report(self) -> dict[str, Any]:
        """What the worker has to say, or what is to be said of one that has died."""
        try:
            report: dict[str, Any] = json.loads(self._report.read_text(encoding="utf-8"))
        except OSError:
            status = None if self._process is None else self._process.exitcode
            report = {"error": f"the worker ended with the exit status {status}"}
        if "error" in report:
            _logger.warning(f"The worker on {self._name} failed: {report['error']}")
        return report

    def __str__(self) -> str:
        return f"worker on {self._name}"


def _environment(device: torch.device, rank: int, n_workers: int) -> dict[str, str]:
    """What a worker sees: one device, and its place among the workers."""
    environment = {"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(n_workers)}
    if device.type == "cuda":
        name = "HIP_VISIBLE_DEVICES" if torch.version.hip else "CUDA_VISIBLE_DEVICES"
        visible = [entry for entry in os.environ.get(name, "").split(",") if entry]
        index = device.index or 0
        environment[name] = visible[index] if visible else str(index)
    return environment


class _News:
    """Tells of the trials that other processes have ended.

    Args:
        study: Whose trials; those that have ended by now are old. It waits for its storage.
        told: Called with each trial that ends.
    """

    def __init__(self, study: optuna.Study, told: Callable[[FrozenTrial], None]) -> None:
        self._study = study
        self._told = told
        self._known = {trial.number for trial in self._ended()}

    def tell(self) -> None:
        """Call with each trial that has ended since the last call."""
        for trial in self._ended():
            if trial.number not in self._known:
                self._known.add(trial.number)
                self._told(trial)

    def _ended(self) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state.is_finished()]


def _wait(
    workers: Sequence[_Worker],
    *refreshes: Callable[[], None],
    limit_s: float = float("inf"),
) -> None:
    deadline = time.monotonic() + limit_s
    refreshed_at = time.monotonic()
    while not all(worker.has_ended for worker in workers) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        for worker in workers:
            if worker.has_died:
                _logger.warning(f"The {worker} has died, and another one takes its place.")
                worker.start()
        if time.monotonic() - refreshed_at > _SHOW_S:
            for refresh in refreshes:
                refresh()
            refreshed_at = time.monotonic()
    for refresh in refreshes:
        refresh()


def _reason(reports: Sequence[dict[str, Any]]) -> str:
    reasons = [report["reason"] for report in reports if "reason" in report]
    if not reasons:
        raise KernelError("; ".join(dict.fromkeys(report["error"] for report in reports)))
    # One that somebody has interrupted does not speak for all.
    return str(min(reasons, key=lambda reason: reason == INTERRUPTED))
