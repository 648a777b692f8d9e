"""The workers of a study: who is alive, and since when they tune together."""

from __future__ import annotations

import functools
import math
import os
import platform
import secrets
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import optuna
from optuna.storages import fail_stale_trials
from optuna.storages._heartbeat import BaseHeartbeat, is_heartbeat_enabled

from optuna_lfbo._winner import is_positive
from optuna_lfbo.helion._patience import patiently

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from optuna.trial import FrozenTrial
    from typing_extensions import Self

Stage: TypeAlias = Literal["running", "ending", "done", "compared", "left"]
"""What a worker does: starts configurations; waits for its last ones; is ready for the final
comparison; has made it; has gone."""

_KEY: Final = "lfbo:worker:"
_BEAT_S: Final = 5.0
_SILENCE_S: Final = 60.0
"""A worker that has shown no sign of life for so long is dead."""
_GLANCE_S: Final = 0.2
_MOST: Final = 2**63
_UNKNOWN_S: Final = 60.0
"""So long after it has left the queue a trial may be without a worker's name: longer than a
journal file stays locked by a process that was killed."""
_LONGEST_TRIAL_S: Final = 600.0
"""So long a trial may take whose worker is not one of the members."""

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


@dataclass(frozen=True)
class Member:
    """One worker, as the study has it.

    Attributes:
        host: The name of its machine.
        machine: Tells where process ids mean the same: another text after a reboot.
        pid: Its process.
        born: When the process was started, in the kernel's clock ticks.
        session: When the tuning began that it takes part in, in seconds since the epoch.
        since: Number of trials that the study had then.
        stage: What it does.
        beat: Seconds since the epoch when it was last seen, by its own clock.
    """

    host: str
    machine: str
    pid: int
    born: int
    session: float
    since: int
    stage: Stage
    beat: float

    @property
    def is_gone(self) -> bool:
        """Whether this machine knows that the process has ended."""
        if self.machine == _machine():
            return _born(self.pid) != self.born
        # What ran here before a reboot. Another machine with the same name shows signs of life.
        return self.host == platform.node() and self.beat < _booted()

    @property
    def is_at_work(self) -> bool:
        """Whether it has more to do."""
        return self.stage in ("running", "ending", "done")


class Members:
    """This process as one of the workers of a study.

    A context manager: a thread shows the others that this process is alive, and watches them.
    No clock of another machine is trusted: a worker is dead when its sign of life has not
    changed for a minute of ours, or when its process is known to have ended.

    Args:
        study: The study.
        session: When the tuning that this worker takes part in began, in seconds since the
            epoch, and how many trials the study had then; None to look for others at work.

    Attributes:
        name: This worker's, for the attribute ``worker`` of its trials.
        me: What the others know of it.
        is_first: Whether nobody else was at work when it came.
    """

    def __init__(self, study: optuna.Study, session: tuple[float, int] | None = None) -> None:
        self._study = study
        self._session = session
        self._storage = study._storage
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._changed: dict[str, tuple[float, float]] = {}
        self._unknown: dict[int, float] = {}
        self._looked_at = -math.inf
        self._others: dict[str, Member] = {}
        self._read_at = -math.inf
        self._beating: set[int] = set()
        self.name = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(2)}"
        self.is_first = True

    def __enter__(self) -> Self:
        """Join those who are at work, or begin anew."""
        pid, now = os.getpid(), time.time()
        began, since = self._session or (
            now,
            len(patiently(self._study.get_trials, deepcopy=False)),
        )
        host = platform.node()
        self.me = Member(host, _machine(), pid, _born(pid), began, since, "running", now)
        self._write()
        self._read()
        self.is_first = self.me.session == now
        threading.Thread(target=self._live, name="lfbo-beat", daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave."""
        self._stopped.set()
        if self.me.stage != "compared":
            self.enter("left")

    def enter(self, stage: Stage) -> None:
        """Say what this worker does now."""
        with self._lock:
            self.me = replace(self.me, stage=stage)
            self._write()

    def alive(self) -> dict[str, Member]:
        """Return the others that are at work, as far as it is known."""
        self._read()
        return {
            name: member
            for name, member in self._others.items()
            if member.is_at_work and not self._is_silent(name, member)
        }

    @property
    def has_company(self) -> bool:
        """Whether others were at work when this worker last looked."""
        return any(
            other.is_at_work and not self._is_silent(name, other)
            for name, other in self._others.items()
        )

    @property
    def is_compared(self) -> bool:
        """Whether another one of the same session has made the final comparison."""
        return any(
            member.session == self.me.session and member.stage == "compared"
            for member in self._others.values()
        )

    def lost(self, running: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Return those of the running trials that nobody works on any more."""
        now = time.monotonic()
        trials = list(running)
        ours = [trial for trial in trials if trial.user_attrs.get("worker") == self.name]
        self._beating = {trial._trial_id for trial in ours}
        self._read()
        # While the storage was away, nobody could put a name on a trial.
        known = {} if now - self._looked_at > _SILENCE_S / 2.0 else self._unknown
        self._unknown = {t.number: known.get(t.number, now) for t in trials}
        self._looked_at = now
        return [trial for trial in trials if self._is_lost(trial, now)]

    def _is_lost(self, trial: FrozenTrial, now: float) -> bool:
        worker = trial.user_attrs.get("worker")
        if worker == self.name:
            return False
        if worker is None:
            is_ours = "config" in trial.user_attrs
            return is_ours and now - self._unknown[trial.number] > _UNKNOWN_S
        if (member := self._others.get(str(worker))) is None:
            # One that calls the objective by itself shows no sign of life.
            return now - self._unknown[trial.number] > _LONGEST_TRIAL_S
        return not member.is_at_work or self._is_silent(str(worker), member)

    def _is_silent(self, name: str, member: Member) -> bool:
        if member.is_gone:
            return True
        _, changed = self._changed.get(name, (member.beat, time.monotonic()))
        return time.monotonic() - changed > _SILENCE_S

    def _live(self) -> None:
        while not self._stopped.wait(_BEAT_S):
            try:
                with self._lock:
                    if not self._stopped.is_set():
                        self._write()
                self._beat_for_optuna()
            except Exception as error:  # The thread that tunes meets the same, and ends by it.
                _logger.warning(f"No sign of life could be given: {error!r}")

    def _beat_for_optuna(self) -> None:
        """Where the storage has heartbeats, other users of it count on them."""
        if is_heartbeat_enabled(self._storage) and isinstance(self._storage, BaseHeartbeat):
            for trial_id in list(self._beating):
                self._storage.record_heartbeat(trial_id)
            fail_stale_trials(self._study)

    def _write(self) -> None:
        self.me = replace(self.me, beat=time.time())
        record = self._storage.set_study_system_attr
        patiently(record, self._study._study_id, _KEY + self.name, asdict(self.me))

    def _read(self) -> None:
        """Look at the others, if it is not just done, and take part in what they began."""
        now = time.monotonic()
        if now - self._read_at < _GLANCE_S:
            return
        attributes = patiently(self._storage.get_study_system_attrs, self._study._study_id)
        # While nobody looked, nobody can have been seen to be silent.
        was_blind = now - self._read_at > _SILENCE_S / 2.0
        self._read_at = time.monotonic()
        self._others = {
            key.removeprefix(_KEY): member
            for key, value in attributes.items()
            if key.startswith(_KEY) and (member := _member_of(value)) is not None
        }
        self._others.pop(self.name, None)
        for name, member in self._others.items():
            before = self._changed.get(name)
            if before is None or was_blind or before[0] != member.beat:
                self._changed[name] = (member.beat, self._read_at)
            if self._is_fresh(member) and member.session < self.me.session:
                since = min(member.since, self.me.since)
                with self._lock:
                    self.me = replace(self.me, session=member.session, since=since)

    def _is_fresh(self, member: Member) -> bool:
        """Whether it is at work for sure, unless clocks differ by more than a minute."""
        recent = abs(time.time() - member.beat) < _SILENCE_S
        return recent and member.is_at_work and not member.is_gone


def _member_of(value: Any) -> Member | None:
    """What another process wrote, perhaps another program."""
    try:
        member = Member(**value)
    except TypeError:
        return None
    whole = (member.pid, member.born, member.since)
    are_counts = all(type(number) is int and 0 <= number < _MOST for number in whole)
    are_times = is_positive(member.session) and is_positive(member.beat)
    return member if are_counts and are_times else None


@functools.cache
def _machine() -> str:
    """The same text in all processes that see one another's process ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{platform.node()}:unknown"


def _booted() -> float:
    """When this machine was started, in seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _born(pid: int) -> int:
    """When a process was started, in ticks since the machine was; 0 if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The second field is the name, in parentheses; it may hold anything.
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])
