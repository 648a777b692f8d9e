from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from benchmarks.gpu.scaling import Run, points_of, table


def run(n_devices: int, step: float, end: float) -> Run:
    """Each worker tells a configuration every ``step`` seconds, from the tenth on."""
    n = int((end - 10.0) / step) + 1
    points = [
        (10.0 + i * step, 1.0 / (1 + i * n_devices), "ok", f"worker{device}")
        for i in range(n)
        for device in range(n_devices)
    ]
    return Run("matmul", n_devices, "H100", 16, {}, 0, end, "timeout", 0.1, {}, points)


def test_the_rate_counts_from_when_all_are_at_work() -> None:
    late = (30.0, None, "compile_error", "worker1")
    assert run(1, 0.5, 60.0).rate == pytest.approx(2.0)
    one = run(1, 0.5, 60.0)
    both = Run(**{**one.__dict__, "points": sorted([*one.points, late], key=lambda p: p[0])})
    assert both.rate == pytest.approx(2.0)
    assert both.best_after(10.0) == 1.0


def test_the_table_compares_with_the_first_run() -> None:
    lines = table([run(1, 0.5, 60.0), run(2, 0.5, 40.0)]).splitlines()
    _, one, *_ = lines[2].split(" | ")
    assert lines[0].split(" | ")[5] == "best after 40 s, ms"
    assert one == "101"
    assert lines[2].split(" | ")[3] == "1.00"
    assert lines[3].split(" | ")[3] == "1.00"


def test_what_repeats_a_known_outcome_is_no_point() -> None:
    study = optuna.create_study()
    for n, status in enumerate(["compile_error", "ok", "duplicate", "compile_error", "rejected"]):
        has_value = status in ("ok", "duplicate")
        attributes = {"status": status, "config": {"n": has_value}, "worker": f"w{n}"}
        state = TrialState.COMPLETE if has_value else TrialState.FAIL
        value = 1.0 if has_value else None
        study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))
    points = points_of(study, started=0.0)
    assert [point[1:] for point in points] == [(None, "compile_error", "w0"), (1.0, "ok", "w1")]
