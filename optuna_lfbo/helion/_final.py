"""The fair comparison at the end: the best configurations, timed in turn."""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import optuna

from optuna_lfbo._winner import (
    DEFAULT_LATENCY,
    FINAL,
    Finalist,
    default_latency,
    finalist_of,
    measured_trials,
    winner_of,
)
from optuna_lfbo.helion._outcome import key_of

if TYPE_CHECKING:
    from optuna_lfbo.helion._engine import Measurer
    from optuna_lfbo.helion._members import Members
    from optuna_lfbo.helion._task import Configuration, Task

_FEWEST_CONTENDERS = 6
_MOST_CONTENDERS = 40
"""A device that is at work without a pause runs at a lower clock than in between compilations. Of
the many that were within one per cent then, others may be the fastest."""
_CONTENDER_SHARE = 1.3
"""Times the fastest. Launches of small kernels that a busy host is late with look that slow."""
_FINALISTS = 12
_HEAT_ROUNDS = 2
_ROUNDS = 8
_FEWEST_ROUNDS = 2
_MOST_CALLS = 25
_BUDGET_MS = 4000.0
"""Device time that the comparison may take, unless the kernel is very slow."""
_PATIENCE_S = 10.0
"""So long others may take to notice that tuning is over."""
_POLL_S = 0.3

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


def compare(task: Task, engine: Measurer, study: optuna.Study, members: Members) -> None:
    """Make the final comparison, or wait for another worker's.

    Of the workers that end at about the same time one makes it, for all. Those that go on for
    longer are not waited for.
    """
    members.enter("done")
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        stages = {name: other.stage for name, other in members.alive().items()}
        if members.is_compared:
            return
        is_waiting = "ending" in stages.values() or (
            "running" in stages.values() and time.monotonic() < deadline
        )
        done = [members.name, *(name for name, stage in stages.items() if stage == "done")]
        if not is_waiting and members.name == min(done):
            retime(task, engine, study)
            members.enter("compared")
            return
        time.sleep(_POLL_S)


def retime(task: Task, engine: Measurer, study: optuna.Study) -> None:
    """Time the best, the default and the seeds in turn, and record it in the study."""
    contenders = _contenders(task, study, engine.unit_ms)
    if not contenders:
        return
    try:
        finalists = _finalists(task, engine, contenders)
        latencies = _timed(engine, finalists, _ROUNDS)
    except RuntimeError as error:
        # The single measurements still stand.
        _logger.warning(f"The final comparison failed: {error}")
        return
    record = [
        {
            "config": finalist.configuration,
            "latency_ms": statistics.median(samples),
            "spread_ms": _spread(samples),
            "is_default": finalist.configuration == task.default,
        }
        for finalist, samples in zip(finalists, latencies, strict=True)
    ]
    study.set_user_attr(FINAL, record)
    for entry in record:
        if entry["is_default"]:
            study.set_user_attr(DEFAULT_LATENCY, entry["latency_ms"])
    if (winner := winner_of(study)) is not None:
        _check_code(task, engine, winner.configuration)


def _check_code(task: Task, engine: Measurer, configuration: Configuration) -> None:
    """Warn if a call would run something else than was measured.

    Compilers have no data, and Helion may generate other code where there is.
    """
    measured = engine.code(configuration)
    called = None if measured is None else task.code(configuration)
    if measured is not None and called is not None and _body(measured) != _body(called):
        _logger.warning(
            f"Helion generates another program here than was measured, so that the latency may be "
            f"another, too; please report it: {configuration}"
        )


def _body(source: str) -> list[str]:
    """The lines that do not name the module of the kernel, which has another name elsewhere."""
    lines = source.strip().splitlines()
    return [line for line in lines if not line.startswith("import ")]


def _finalists(task: Task, engine: Measurer, contenders: list[Finalist]) -> list[Finalist]:
    """The fastest of many in a heat, and the default."""
    if len(contenders) <= _FINALISTS:
        return contenders
    heats = zip(_timed(engine, contenders, _HEAT_ROUNDS), contenders, strict=True)
    ranked = sorted(heats, key=lambda heat: statistics.median(heat[0]))
    return [
        finalist
        for rank, (_, finalist) in enumerate(ranked)
        if rank < _FINALISTS or finalist.configuration == task.default
    ]


def _contenders(task: Task, study: optuna.Study, unit_ms: float) -> list[Finalist]:
    """Without doubles: the best and the seeds, if not far off, and the default."""
    trials = measured_trials(study)
    measured = {key_of(t.user_attrs["config"]): finalist_of(t) for t in reversed(trials)}
    if not measured:
        return []
    fastest = finalist_of(trials[0]).latency_ms
    affordable = min(_MOST_CONTENDERS, _BUDGET_MS / (_ROUNDS * unit_ms * fastest))
    n_contenders = max(_FEWEST_CONTENDERS, int(affordable))
    best = [finalist_of(trial) for trial in trials[:n_contenders]]
    best += [measured[key_of(seed)] for seed in task.seeds if key_of(seed) in measured]
    best = [finalist for finalist in best if finalist.latency_ms <= _CONTENDER_SHARE * fastest]
    default = default_latency(study.user_attrs)
    if task.default is not None and default is not None:
        best.append(Finalist(task.default, default, math.nan))
    return list({key_of(finalist.configuration): finalist for finalist in best}.values())


def _timed(engine: Measurer, finalists: list[Finalist], rounds: int) -> list[list[float]]:
    """Latencies of each finalist, one a round."""
    turn_ms = engine.unit_ms * sum(finalist.latency_ms for finalist in finalists)
    n_turns = int(min(_MOST_CALLS * rounds, _BUDGET_MS * rounds / _ROUNDS / turn_ms))
    rounds = max(_FEWEST_ROUNDS, min(rounds, n_turns))
    calls = max(1, n_turns // rounds)
    configurations = [finalist.configuration for finalist in finalists]
    return _steadied(engine.retime(configurations, rounds, calls))


def _steadied(latencies: list[list[float]]) -> list[list[float]]:
    """Take out of each round of a finalist how much slower than usual all others were in it.

    What they have in common is the device's clock and its temperature, which drift.
    """
    if len(latencies) == 1:
        return latencies
    samples = np.asarray(latencies)
    shares = samples / np.median(samples, axis=1, keepdims=True)
    others = [np.median(np.delete(shares, i, axis=0), axis=0) for i in range(len(shares))]
    steadied: list[list[float]] = (samples / others).tolist()
    return steadied


def _spread(latencies: list[float]) -> float:
    lower, _, upper = statistics.quantiles(latencies, n=4)
    return upper - lower
