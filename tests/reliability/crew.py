"""Workers of one study, started again whenever one has died, and what has to hold at the end."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import psutil

from optuna_lfbo.helion._ledger import has_outcome
from tests.reliability.program import BEST, STORM, N

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from tests.reliability.servers import Storage

_LIMIT_S = 240.0
"""Nothing that is waited for takes a tenth of it, unless the machine is busy."""
_POLL_S = 0.05


class Nursery:
    """Starts processes that tune; see `tests.reliability.nursery`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._statuses: dict[int, int] = {}
        self._started: list[int] = []
        self._news = threading.Condition()
        self._server: int | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, order: dict[str, Any]) -> int:
        """Start a process; return its number."""
        assert self._process.stdin is not None
        with self._news:
            n_before = len(self._started)
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            assert self._news.wait_for(lambda: len(self._started) > n_before, _LIMIT_S)
            return self._started[-1]

    def status(self, pid: int) -> int | None:
        """The exit status of a process, negative for a signal; None while it runs."""
        return self._statuses.get(pid)

    def workers(self) -> list[psutil.Process]:
        """Processes that compile or measure, and those that they have started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._server).children(recursive=True)
            return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return []

    def kill(self) -> None:
        """End what a test that failed has left."""
        for pid in self._started:
            if self.status(pid) is None:
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_LIMIT_S)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._news:
                if "server" in answer:
                    self._server = answer["server"]
                elif "status" in answer:
                    self._statuses[answer["pid"]] = answer["status"]
                else:
                    self._started.append(answer["pid"])
                self._news.notify_all()


class Crew:
    """Some workers that tune one study.

    Args:
        nursery: Starts them.
        storage: Holds the study.
        folder: For plans, the log and the output.
        plans: What is to happen when, as `program.happen` has it.
        n: Configurations that the program has.
    """

    def __init__(
        self,
        nursery: Nursery,
        storage: Storage,
        folder: Path,
        plans: dict[str, str] | None = None,
        n: int = N,
    ) -> None:
        self.n = n
        self.nursery = nursery
        self.storage = storage
        self.folder = folder
        self.pids: list[int] = []
        (folder / "plans").mkdir()
        (folder / "temporary").mkdir()
        for moment, plan in (plans or {}).items():
            (folder / "plans" / moment).write_text(plan)

    def start(self, **options: Any) -> int:
        order = {"folder": str(self.folder), "storage": self.storage.spec, "n": self.n, **options}
        pid = self.nursery.start({"output": str(self.folder / "output"), **order})
        self.pids.append(pid)
        return pid

    def until(self, is_done: Callable[[], bool], n_workers: int = 2, **options: Any) -> None:
        """Keep so many workers at work until it is done."""
        deadline = time.monotonic() + _LIMIT_S
        while not is_done():
            assert time.monotonic() < deadline, self.output
            for pid in self.pids:
                assert self.nursery.status(pid) in (None, 0, -signal.SIGKILL), self.output
            for _ in range(n_workers - len(self.alive)):
                self.start(**options)
            time.sleep(_POLL_S)

    def wait(self, *pids: int) -> None:
        """Wait for the end of these processes, or all."""
        deadline = time.monotonic() + _LIMIT_S
        while any(self.nursery.status(pid) is None for pid in pids or self.pids):
            assert time.monotonic() < deadline, self.output
            time.sleep(_POLL_S)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to all workers and, if it kills, to all their processes at once."""
        victims = list(self.alive)
        if number == signal.SIGKILL:
            victims += [process.pid for process in self.nursery.workers()]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_at_random(self, n_kills: int, seed: int) -> None:
        """Kill a worker so often at any moment, now and then all of them."""
        rng = random.Random(seed)
        n_done = 0
        storm = self.folder / STORM
        storm.touch()
        while n_done < n_kills:
            n_before = self._n_notes
            self.until(lambda n_before=n_before: self._n_notes > n_before)  # type: ignore[misc]
            assert not self.is_complete, "the study has ended too early"
            time.sleep(rng.uniform(0.0, 0.5))
            if rng.random() < 0.2:
                n_done += bool(self.alive)
                self.kill()
                continue
            with contextlib.suppress(ProcessLookupError, IndexError):  # It has ended by itself.
                os.kill(rng.choice(self.alive), signal.SIGKILL)
                n_done += 1
        storm.unlink()

    @property
    def _n_notes(self) -> int:
        try:
            return (self.folder / "log").read_text().count("\n")
        except FileNotFoundError:
            return 0

    @property
    def alive(self) -> list[int]:
        return [pid for pid in self.pids if self.nursery.status(pid) is None]

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def log(self, word: str) -> list[list[Any]]:
        """What the processes have noted under a word, in order."""
        try:
            lines = (self.folder / "log").read_text().splitlines()
        except FileNotFoundError:
            return []
        entries = []
        for line in lines:
            # One that is being written, or whose writer was killed between two pages of the file.
            with contextlib.suppress(json.JSONDecodeError):
                entries.append(json.loads(line))
        return [rest for _, first, *rest in entries if first == word]

    @property
    def is_complete(self) -> bool:
        """Whether a worker has seen outcomes of all configurations."""
        return any("stopped" in reason for *_, reason in self.log("result"))

    @property
    def told(self) -> set[int]:
        """Configurations of which an outcome has been told."""
        return {v for _, _, _, v, _ in self.log("told")}

    @property
    def is_at_work(self) -> bool:
        """Whether there are two workers and both have told something."""
        return len(self.alive) == 2 and set(self.alive) <= {pid for *_, pid in self.log("told")}

    def conclude(self, **options: Any) -> list[FrozenTrial]:
        """Tune to the end, and check that nothing was lost; return the trials."""
        self.wait()
        self.wait(self.start(**options))
        (*_, (_, best, _)) = self.log("result")
        assert best == BEST
        trials = self.storage.study().trials
        self._check(trials)
        self.check_no_process_is_left()
        assert not list((self.folder / "temporary").iterdir())
        return trials

    def lost(self, trials: list[FrozenTrial]) -> list[Any]:
        """What was told and is not there, or is not what was told."""
        there = [[t.number, t.state.name, t.value, t.params.get("v")] for t in trials]
        return [told for *told, _ in self.log("told") if told not in there]

    def check_no_process_is_left(self) -> None:
        deadline = time.monotonic() + _LIMIT_S
        while left := [*self.nursery.workers(), *_processes_in(self.folder)]:
            assert time.monotonic() < deadline, left
            time.sleep(_POLL_S)

    def _check(self, trials: list[FrozenTrial]) -> None:
        assert [trial.number for trial in trials] == list(range(len(trials)))
        assert all(trial.state.is_finished() for trial in trials)
        assert not self.lost(trials)
        outcomes = defaultdict(set)
        for trial in trials:
            if has_outcome(trial):
                # One that repeats what is known says so, or is the same failure.
                if trial.user_attrs["status"] != "duplicate":
                    outcomes[trial.params["v"]].add((trial.value, trial.user_attrs.get("error")))
            else:
                assert "lost" in trial.user_attrs["error"] or "ended" in trial.user_attrs["error"]
        assert sorted(outcomes) == list(range(self.n))
        doubtful = {v: found for v, found in outcomes.items() if len(found) > 1}
        assert not doubtful, [(t, t.user_attrs) for t in trials if t.params.get("v") in doubtful]


def _processes_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
