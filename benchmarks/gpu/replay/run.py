"""Replays variants of the tuner and keeps what came of it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import optuna

from benchmarks.gpu.progress import say
from benchmarks.gpu.records import text_of
from benchmarks.gpu.replay.clock import VirtualClock
from benchmarks.gpu.replay.engine import VirtualProcesses
from benchmarks.gpu.replay.machine import Costs
from benchmarks.gpu.replay.variants import VARIANTS, Endless
from benchmarks.gpu.replay.world import World, WorldTask
from benchmarks.lines import as_line
from optuna_lfbo._winner import winner_of
from optuna_lfbo.helion._stop import INTERRUPTED
from optuna_lfbo.helion._storage import open_study
from optuna_lfbo.helion.tuner import conduct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optuna.trial import FrozenTrial

N_COMPILERS = 16
"""As on a host of 16 cores."""
_FINALISTS = 6
_FREE = ("duplicate", "rejected")


@dataclass
class Replay:
    """One tuning in virtual time.

    Latencies are what the machine knows, without the noise that the tuner has seen.

    Attributes:
        kernel: name of the problem.
        variant: name of the variant.
        seed: of the sampler, the first random configurations and the noise.
        seconds: from the call of the tuner to its return.
        final_seconds: those of the final comparison.
        n_asked: trials.
        n_measured: trials that were no duplicates and not rejected.
        latency_ms: of the winner.
        stop_reason: why it ended.
        busy_share: share of the time in which the device measured.
        asking_share: share of the time in which trials were chosen and entered.
        outcomes: how many trials had each status.
        best: seconds, trials measured, and latency whenever one was faster than all before.
        stops: where patiences of other lengths would have ended: the factor, seconds without
            the final comparison, configurations finished, and latency of the winner.
    """

    kernel: str
    variant: str
    seed: int
    seconds: float = 0.0
    final_seconds: float = 0.0
    n_asked: int = 0
    n_measured: int = 0
    latency_ms: float = math.inf
    stop_reason: str = ""
    busy_share: float = 0.0
    asking_share: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    best: list[list[float]] = field(default_factory=list)
    stops: list[list[float]] = field(default_factory=list)


class _Notes:
    """Takes note of each trial that is told, and when."""

    def __init__(self, world: World, clock: VirtualClock) -> None:
        self._world = world
        self._clock = clock
        self.latencies: list[tuple[float, float, float]] = []
        self.best: list[list[float]] = []
        self.outcomes: dict[str, int] = {}
        self.n_measured = 0

    def told(self, trial: FrozenTrial) -> None:
        status = trial.user_attrs.get("status", "abandoned")
        self.outcomes[status] = self.outcomes.get(status, 0) + 1
        self.n_measured += status not in _FREE
        if status != "ok" or trial.user_attrs.get("first_look"):
            return
        assert trial.value is not None
        known = self._world.machine(trial.user_attrs["config"]).latency_ms
        self.latencies.append((self._clock(), trial.value, known))
        if not self.best or known < self.best[-1][2]:
            self.best.append([self._clock(), self.n_measured, known])

    def winner_at(self, seconds: float) -> float:
        """The latency of what the final comparison would choose: the best of the best few."""
        told = sorted((seen, known) for at, seen, known in self.latencies if at <= seconds)
        return min((known for _, known in told[:_FINALISTS]), default=math.inf)


def replayed(world: World, name: str, seed: int, costs: Costs | None = None) -> Replay:
    """Replays a variant, within `World.simulated`."""
    variant, clock = VARIANTS[name], VirtualClock()
    processes = VirtualProcesses(clock, world.machine, costs or Costs(), N_COMPILERS, seed)
    task = WorldTask(world, processes)
    study = open_study(f"{name}-{seed}", None, task.sampler(seed))
    notes, stop = _Notes(world, clock), variant.stop_rule(clock)
    with variant.applied(task, N_COMPILERS):
        crew = variant.crew(processes)
        reason = conduct(task, study, stop, seed, told=notes.told, crew=crew)
    if reason == INTERRUPTED:
        raise KeyboardInterrupt
    winner = winner_of(study)
    assert winner is not None
    tuning: dict[str, Any] = study.user_attrs["tuning"]
    return Replay(
        *(world.kernel, name, seed),
        seconds=clock(),
        final_seconds=processes.meter.retiming_s,
        n_asked=len(study.trials),
        n_measured=notes.n_measured,
        latency_ms=world.machine(winner.configuration).latency_ms,
        stop_reason=reason,
        busy_share=tuning["device_busy_share"],
        asking_share=tuning["sampler_share"],
        outcomes=notes.outcomes,
        best=notes.best,
        stops=_stops(stop, notes),
    )


def _stops(stop: object, notes: _Notes) -> list[list[float]]:
    if not isinstance(stop, Endless):
        return []
    return [[f, at, n, notes.winner_at(at)] for f, (at, n) in sorted(stop.stops.items())]


def replay_all(
    raw: Sequence[Path], kernel: str, names: Sequence[str], seeds: Sequence[int], out: Path
) -> None:
    """Does the replays that ``out`` lacks, and appends a line each.

    Args:
        raw: files of records.
        kernel: name of the problem.
        names: variants.
        seeds: seeds of each.
        out: file of results.

    Raises:
        ValueError: There are no records of the kernel.
    """
    known = {(r.kernel, r.variant, r.seed) for r in replays([out] if out.exists() else [])}
    wanted = [(name, seed) for seed in seeds for name in names]
    todo = [(name, seed) for name, seed in wanted if (kernel, name, seed) not in known]
    if not todo:
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with World.simulated():
        world = World(kernel, raw)
        for name, seed in todo:
            replay = replayed(world, name, seed)
            with out.open("a") as file:
                file.write(as_line(asdict(replay)) + "\n")
            say(
                f"{name}/{seed}: {replay.seconds:.1f} s, {replay.n_measured} measured, "
                f"{replay.latency_ms:.4f} ms, {replay.stop_reason}"
            )


def replays(paths: Sequence[Path]) -> list[Replay]:
    """Reads what :func:`replay_all` has written.

    Raises:
        ValueError: A line is no such result.
    """
    found = []
    for path in paths:
        for number, line in enumerate(text_of(path).splitlines(), start=1):
            try:
                found.append(Replay(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}:{number} is no replay ({error}).") from error
    return found
