from __future__ import annotations

import fcntl
import gzip
import json
import math
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest

from benchmarks.gpu import records
from benchmarks.gpu.helion_log import read_trace
from benchmarks.gpu.records import Job, Point
from tests.benchmarks.gpu_runs import failed, retiming, run

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    raw, timed = tmp_path / "raw.jsonl", tmp_path / "timed.jsonl"
    written = [run(curve=((1.0, None), (2.0, 0.5))), run(seed=1), failed(tuner="quick")]
    for one in written:
        records.append(raw, one)
    records.append(timed, retiming("matmul", {"matmul/ours/0": 0.25}))
    packed = tmp_path / "raw.jsonl.gz"
    packed.write_bytes(gzip.compress(raw.read_bytes()))
    assert list(records.runs([raw]).values()) == written
    assert records.runs([packed]) == records.runs([raw])
    found = records.retimings([timed])["matmul"]
    assert found.configs[0].latency_ms == 0.25
    assert found.configs[0].spread == pytest.approx(0.1)
    assert json.loads(raw.read_text().splitlines()[0])["outcomes"] == {"error": 1, "ok": 1}


def test_numbers_are_short_and_infinity_is_null(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, run(seconds=1 / 3, measuring_seconds=math.inf))
    line = raw.read_text()
    assert '"seconds":0.333333,' in line
    assert '"measuring_seconds":null' in line


def test_a_run_that_succeeded_is_not_replaced_by_one_that_failed(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    for one in (failed(), run(seconds=1.0), run(seconds=2.0), failed()):
        records.append(raw, one)
    assert records.runs([raw])[Job("matmul", "ours", 0)].seconds == 2.0


def test_a_torn_line_is_named(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, run())
    with raw.open("a") as file:
        file.write('{"kernel": "mat')
    with pytest.raises(ValueError, match=r"raw\.jsonl:2 is no record .* delete that line"):
        records.runs([raw])


def test_nobody_reads_or_appends_while_another_one_appends(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, run())
    with ThreadPoolExecutor(2) as pool, raw.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write('{"kernel": ')
        other.flush()
        reading = pool.submit(records.runs, [raw])
        appending = pool.submit(records.append, raw, run(seed=1))
        assert wait([reading, appending], timeout=0.2).not_done == {reading, appending}
        other.truncate(raw.read_text().index('{"kernel": '))
        fcntl.flock(other, fcntl.LOCK_UN)
        assert Job("matmul", "ours", 0) in reading.result(30)
    assert [job.seed for job in records.runs([raw])] == [0, 1]


def trace(path: Path, *events: tuple[str, str, float, float | None]) -> None:
    """Writes events: what, of which configuration, when and the latency."""
    lines = [
        {
            "event": event,
            "config_id": config,
            "config": {"name": config},
            "timestamp_s": at,
            "perf_ms": latency,
            "status": "error" if latency is None else "ok",
        }
        for event, config, at, latency in events
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_trace_of_helion_tells_what_a_search_did(tmp_path: Path) -> None:
    path = tmp_path / "helion.trace.jsonl"
    trace(
        path,
        ("run_start", "", 100.0, None),
        ("trial_start", "a", 101.0, None),
        ("trial", "a", 102.5, 2.0),
        ("trial", "b", 103.0, None),
        ("trial_start", "c", 103.0, None),
        ("trial", "c", 103.5, 1.0),
        ("rebenchmark", "a", 104.0, 0.9),
        ("selected", "a", 105.0, None),
    )
    log = read_trace(path, started=99.0)
    assert log.config == {"name": "a"}
    assert log.latency_ms == 0.9
    assert log.measuring_seconds == 2.0
    assert log.points == [
        Point(3.5, 2.0, "ok", {"name": "a"}),
        Point(4.0, None, "error", {"name": "b"}),
        Point(4.5, 1.0, "ok", {"name": "c"}),
        Point(5.0, 0.9, "rebenchmark", {"name": "a"}),
    ]


def test_an_interrupted_search_has_no_winner(tmp_path: Path) -> None:
    path = tmp_path / "helion.trace.jsonl"
    assert read_trace(path, started=0.0).points == []
    trace(path, ("trial_start", "a", 1.0, None), ("trial", "a", 2.0, 1.0))
    log = read_trace(path, started=0.0)
    assert len(log.points) == 1
    assert log.config is None
    assert log.latency_ms is None
