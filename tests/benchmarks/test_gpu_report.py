from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gpu import measures, records
from benchmarks.gpu.measures import Results, geometric_mean
from benchmarks.gpu.records import Point
from benchmarks.gpu.report import report
from benchmarks.gpu.trajectory import best_at, improvements, seconds_until
from tests.benchmarks.gpu_runs import failed, retiming, run

if TYPE_CHECKING:
    from pathlib import Path

CURVE = ((1.0, 8.0), (2.0, None), (3.0, 9.0), (4.0, 4.0), (5.0, 6.0), (6.0, 2.0))


@given(st.lists(st.none() | st.floats(0.1, 10.0), max_size=20))
def test_improvements_go_down_to_the_best(latencies: list[float | None]) -> None:
    curve = tuple((float(i), latency) for i, latency in enumerate(latencies))
    best = [p.latency_ms for p in improvements(run(curve=(*curve, (99.0, 10.0))))]
    assert best == sorted(set(filter(None, best)), reverse=True)
    assert best[-1] == min([x for x in latencies if x is not None], default=10.0)


def test_a_second_measurement_is_no_improvement() -> None:
    points = [Point(1.0, 2.0, "ok", {}), Point(2.0, 1.0, "rebenchmark", {})]
    assert improvements(run(points=points)) == points[:1]


def test_what_a_run_had_by_then() -> None:
    one = run(curve=CURVE, seconds=7.0, config={"winner": 1}, latency_ms=2.1)
    assert best_at(one, 0.5) is None
    assert best_at(one, 3.5) == Point(1.0, 8.0, "ok", {"x": 8.0})
    assert best_at(one, 6.5) == Point(6.0, 2.0, "ok", {"x": 2.0})
    assert best_at(one, 7.0) == Point(7.0, 2.1, "ok", {"winner": 1})


def test_seconds_until_a_latency() -> None:
    one = run(curve=CURVE)
    assert seconds_until(one, 8.0, scale=1.0) == 1.0
    assert seconds_until(one, 7.0, scale=1.0) == 4.0
    assert seconds_until(one, 7.0, scale=2.0) == 6.0
    assert seconds_until(one, 1.0, scale=1.0) is None


def test_a_lucky_measurement_counts_as_the_winner() -> None:
    lucky = run(curve=((1.0, 1.0), (2.0, 4.0)), latency_ms=4.0)
    assert seconds_until(lucky, 2.0, scale=1.0) is None
    assert seconds_until(lucky, 4.0, scale=1.0) == 1.0


def results(*runs: records.Run, **latencies: dict[str, float]) -> Results:
    timed = {kernel: retiming(kernel, by_name) for kernel, by_name in latencies.items()}
    return Results({one.job: one for one in runs}, timed)


def test_ratios_are_over_the_seeds_of_both() -> None:
    found = results(
        run(seconds=2.0),
        run(seed=1, seconds=4.0),
        run(seed=2, seconds=99.0),
        run(tuner="lfbo_tree", seconds=8.0),
        run(tuner="lfbo_tree", seed=1, seconds=4.0),
        failed(tuner="lfbo_tree", seed=2),
    )
    assert found.ratio(measures.seconds, "matmul", "ours", "lfbo_tree") == pytest.approx(0.5)
    assert found.ratio(measures.seconds, "matmul", "ours", "pattern") is None
    assert found.ratio(found.latency, "matmul", "ours", "lfbo_tree") is None


def test_time_until_within_a_share_of_the_best() -> None:
    latencies = {"matmul/ours/0": 4.0, "matmul/quick/0": 8.0, "split_matmul/ours/0": 1.0}
    # The winners were 2.0 and 2.0 where they were tuned.
    found = results(run(), run(tuner="quick"), matmul=latencies)
    ours, quick = found.runs.values()
    assert found.seconds_until(ours, 0.0) == 4.0
    assert found.seconds_until(ours, 0.5) == 2.0
    assert found.seconds_until(quick, 0.01) == math.inf
    assert found.seconds_until(run(seed=1), 0.0) is None


def test_configurations_that_were_not_tried_do_not_count() -> None:
    statuses = ["ok", "ok", "compile_error", "duplicate", "deduplicated", "rejected"]
    points = [Point(1.0, None if status.endswith("r") else 1.0, status, {}) for status in statuses]
    one = run(points=[*points, Point(1.0, 1.0, "rebenchmark", {})])
    assert measures.n_configs(one) == 3
    assert measures.failed_share(one) == pytest.approx(1 / 3)
    assert measures.busy_share(one) == 0.5
    assert measures.busy_share(run(measuring_seconds=None)) is None


def test_the_rate_leaves_out_start_and_end() -> None:
    begin = [(0.0, 1.0)] * 2
    middle = [(10.0 + i / 10, 1.0) for i in range(16)]
    end = [(500.0, 1.0)] * 2
    one = run(curve=(*begin, *middle, *end))
    assert measures.steady_rate(one) == pytest.approx(10.0)
    assert measures.steady_rate(run(curve=tuple(middle))) is None


def test_the_first_result_is_the_first_latency() -> None:
    assert measures.first_result(run(curve=((1.0, None), (2.0, 5.0), (3.0, 4.0)))) == 2.0
    assert measures.first_result(run(curve=((1.0, None),))) is None


def test_geometric_mean_of_what_is_known() -> None:
    assert geometric_mean([1.0, None, 4.0]) == pytest.approx(2.0)
    assert geometric_mean([None]) is None
    assert geometric_mean([1.0, math.inf]) == math.inf


def cells(text: str, section: str, first: str) -> list[str]:
    """Returns the row of a section that begins with ``first``."""
    table = text.split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return next(row for row in rows if row and row[0] == first)


def test_the_report_shows_ratios_and_what_is_missing(tmp_path: Path) -> None:
    raw, timed = tmp_path / "raw.jsonl", tmp_path / "timed.jsonl"
    for one in (
        run(seconds=20.0),
        run(tuner="lfbo_tree", seconds=80.0),
        run(tuner="quick", seconds=3.0),
        run("softmax"),
        failed("softmax", "lfbo_tree"),
    ):
        records.append(raw, one)
    latencies = {"ours/0": 0.9, "ours/0/at_quick": 1.1, "lfbo_tree/0": 1.0, "quick/0": 1.0}
    by_name = {f"matmul/{name}": latency for name, latency in latencies.items()}
    records.append(timed, retiming("matmul", by_name | {"matmul/default": 2.0}))
    text = report([raw], [timed])
    assert "GPU, 16 cores; helion 1.5.0." in text
    summary = cells(text, "Summary", "`ours`")
    assert summary[2:4] == ["0.250 (1)", "-"]
    assert summary[6:] == ["0.900 (1)", "0.900", "0.450 (1)", "50%", "25%"]
    row = cells(text, "`matmul`", "`lfbo_tree`")
    assert row[:5] == ["`lfbo_tree`", "0", "80.0", "85.0", "1.000"]
    assert row[9:] == ["1.00000", "10.0%", "1.000", "never", "never", "50%", "25%"]
    assert cells(text, "`matmul`", "`ours`")[12:14] == ["4.0", "4.0"]
    assert cells(text, "`matmul`", "Helion's default")[9] == "2.00000"
    assert cells(text, "At the wall-clock of `quick`", "`matmul`")[-1] == "1.100"
    missing = text.split("## Missing\n\n")[1].splitlines()
    assert missing == [
        "- softmax/lfbo_tree/0 failed: it fell",
        "- softmax/ours/0 was not timed again.",
        "- softmax has no run of `lfbo_tree`.",
        "- softmax has no run of `quick`.",
    ]


def test_a_stopped_run_counts_with_what_it_had(tmp_path: Path) -> None:
    raw, timed = tmp_path / "raw.jsonl", tmp_path / "timed.jsonl"
    stopped = run(tuner="lfbo_tree", seconds=80.0, config=None, error="stopped")
    for one in (run(seconds=20.0), stopped):
        records.append(raw, one)
    records.append(
        timed, retiming("matmul", {"matmul/ours/0": 0.9, "matmul/lfbo_tree/0/at_stop": 1.0})
    )
    row = cells(report([raw], [timed]), "Stopped", "`matmul`")
    assert row[1:] == ["`lfbo_tree`", "0", "80.0", "20.0", "1.00000", "0.90000", "0.900"]


def test_a_report_without_timings_shows_dashes(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    records.append(raw, run())
    text = report([raw], [])
    assert cells(text, "`matmul`", "`ours`")[9:14] == ["-"] * 5
    assert "At the wall-clock" not in text
