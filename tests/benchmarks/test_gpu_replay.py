"""Replays of a kernel from what is on record of it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from benchmarks.gpu.replay.machine import Answer, Costs
from benchmarks.gpu.replay.records import records
from benchmarks.gpu.replay.report import report
from benchmarks.gpu.replay.run import Replay, replay_all, replayed, replays
from benchmarks.gpu.replay.world import World
from benchmarks.tasks.surrogate import RECORDS
from optuna_lfbo.helion import _starts, _stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World.simulated():
        yield World("attention", RECORDS[:1])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stop, "_PATIENCE", 8)
    monkeypatch.setattr(_starts, "_MOST", 5)


def test_the_machine_answers_as_recorded(world: World) -> None:
    known = records(RECORDS[:1], "attention")
    for record in known[::60]:
        answer = world.machine(record.config)
        assert answer.fault == record.fault
        assert record.latency_ms in (None, answer.latency_ms)
        assert record.compile_s in (None, answer.compile_s)


def test_what_is_not_on_record_lies_within_what_is(world: World) -> None:
    latencies = [r.latency_ms for r in records(RECORDS[:1], "attention") if r.latency_ms]
    for config in world.space.random_configs(8, seed=77):
        answer = world.machine(config.config)
        assert min(latencies) <= answer.latency_ms <= max(latencies)
        assert 0.05 < answer.compile_s < 15.0
        assert "def " in answer.source


@pytest.mark.usefixtures("impatient")
def test_the_same_seed_gives_the_same_replay(world: World) -> None:
    first = replayed(world, "full", 0)
    assert first == replayed(world, "full", 0)
    assert first.n_measured >= 8
    assert first.latency_ms == min(latency for _, _, latency in first.best)
    assert first.seconds > Costs().start_s + first.final_seconds


@pytest.mark.usefixtures("impatient")
def test_seeds_may_be_left_out(world: World) -> None:
    replay = replayed(world, "no_seeds", 0)
    assert replay.outcomes["ok"] > 0


def test_noise_is_small_and_the_same_each_time() -> None:
    costs = Costs()
    answers = [Answer(str(i), 1.0, 2.0) for i in range(200)]
    logs = [math.log(costs.measured(answer, "full", 0) / 2.0) for answer in answers]
    assert math.fsum(x * x for x in logs) / 200 == pytest.approx(costs.noise**2, rel=0.3)
    assert costs.measured(answers[0], "full", 0) == costs.measured(answers[0], "full", 0)
    assert costs.measured(answers[0], "full", 0) != costs.measured(answers[0], "full", 1)


def test_the_report_tells_when_a_variant_came_close(tmp_path: Path) -> None:
    full = Replay("k", "full", 0, 50.0, latency_ms=1.0, best=[[20.0, 3, 2.0], [40.0, 90, 1.0]])
    slow = Replay("k", "generations", 0, 75.0, latency_ms=1.1, best=[[30.0, 3, 1.1]])
    long = Replay("k", "endless", 0, 150.0, 1.0, 9, 900, 0.5, stops=[[0.5, 30.0, 75, 1.0]])
    long.best = [[99.0, 9, 1.0]]
    path = tmp_path / "replays.jsonl"
    path.write_text("".join(json.dumps(vars(replay)) + "\n" for replay in (full, slow, long)))
    assert replays([path]) == [full, slow, long]
    rows = [line.split(" | ") for line in report([path]).splitlines()]
    (row,) = [row for row in rows if row[0].startswith("| generations")]
    assert row[2:7] == ["75.0", "0", "0.0", "1.1000", "1.100"]
    assert row[7:12] == ["1.1000", "1.1000", "1.1000", "never", "never"]
    (row,) = [row for row in rows if row[0] == "| cut at 0.5 of the patience"]
    assert row[1:6] == ["1", "31.0", "75", "1.0000", "2.000"]
    (row,) = [row for row in rows if row[0] == "| the tuner" and row[-1].startswith("2.000")]
    assert row[2:6] == ["50.0", "0", "1.0000", "2.000"]


def test_a_kernel_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no configuration of 'softmax'"):
        replay_all(RECORDS[:1], "softmax", ["full"], [0], tmp_path / "out.jsonl")
