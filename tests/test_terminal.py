"""What is shown while tuning, on terminals and elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from optuna_lfbo.helion._outcome import Outcome
from optuna_lfbo.helion._progress import Progress, StudyProgress
from optuna_lfbo.helion._stop import StopRule
from tests.terminal import terminal

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

N_UPDATES = 60
WORKER = """
import os, sys, time
import optuna
from optuna_lfbo import _terminal
_terminal._REPEAT_S = _terminal._REPLACE_S = 0.01
name, ready, go = sys.argv[1:]
open(ready, "w").close()
while not os.path.exists(go):
    time.sleep(0.01)
with _terminal.StatusLine(True) as line:
    for i in range({n}):
        line.update(f"worker {{name}} at {{i}} " + "." * 40)
        if i % 10 == 5:
            optuna.logging.get_logger("optuna.test").warning(f"message {{i}} of {{name}}.")
        time.sleep(0.01)
    line.update(f"worker {{name}} ends " + "." * 40, is_last=True)
"""
LINE = r"worker \w at \d+ \.{40}|worker \w ends \.{40}|\[W [-0-9 :,]+\] message \d+ of \w\."


def test_several_workers_on_one_terminal_garble_nothing(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with terminal() as screen:
        code, names = WORKER.format(n=N_UPDATES), "abc"
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", code, name, tmp_path / name, go],
                stderr=screen.device,
            )
            for name in names
        ]
        screen.read_until(lambda: all((tmp_path / name).exists() for name in names))
        go.touch()
        screen.read_until(lambda: all(worker.poll() is not None for worker in workers))
        assert [worker.returncode for worker in workers] == [0, 0, 0]
        lines = screen.lines()
    assert [line for line in lines if not re.fullmatch(LINE, line)] == []
    for name in names:
        assert sum(line.startswith(f"worker {name} ends") for line in lines) == 1
        assert sum(line.endswith(f" of {name}.") for line in lines) == N_UPDATES // 10
    # Only one of them has its line replaced in place.
    counts = sorted(sum(line.startswith(f"worker {name} at") for line in lines) for name in names)
    assert counts[0] <= N_UPDATES // 10 < counts[1]


class Engine:
    busy_s = 0.5
    unit = "ms"


def shown(capsys: pytest.CaptureFixture[str], stop: StopRule, **attributes: Any) -> str:
    study = optuna.create_study()
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    with Progress(Engine(), study, stop, show=True) as progress:  # type: ignore[arg-type]
        for latency in (2.0, None, 1.0):
            outcome = Outcome("compile_error" if latency is None else "ok", latency)
            stop.finish(latency)
            progress.count(outcome, best_ms=latency or 2.0)
    return capsys.readouterr().err


def test_the_last_line_says_what_has_been_found(capsys: pytest.CaptureFixture[str]) -> None:
    line = shown(capsys, StopRule(None, None), default_latency_ms=3.0)
    assert re.fullmatch(
        r"3 configs \[00:00, [0-9.]+/s\], best 1 ms \(3\.00 x as fast as the default\), "
        r"1 failed, device \d+% busy\n",
        line,
    )


def test_limits_tell_the_time_that_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.search(r"3/3 configs \[00:00, 00:00 left, ", shown(capsys, StopRule(3, None)))
    assert re.search(
        r"3 configs \[00:00, (16:3\d|16:40) left", shown(capsys, StopRule(None, 1000))
    )
    line = shown(capsys, StopRule(6, 1000.0))
    assert re.search(r"3/6 configs \[00:00, 00:0\d left", line)
    assert "default" not in line


def test_nothing_is_shown_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    stop = StopRule(3, None)
    with Progress(Engine(), optuna.create_study(), stop, show=False) as progress:  # type: ignore[arg-type]
        progress.count(Outcome("ok", 1.0), 1.0)
        progress.refresh()
    assert capsys.readouterr().err == ""


def test_a_pace_is_needed_to_tell_when_the_trials_are_done() -> None:
    stop = StopRule(10, None)
    assert stop.time_left_s(5.0) is None
    stop.finish(1.0)
    assert stop.time_left_s(5.0) == 45.0
    assert StopRule(None, None).time_left_s(5.0) is None


def test_what_others_do_to_a_study_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    study = optuna.create_study()
    study.set_user_attr("default_latency_ms", 3.0)
    tell(study, "ok", 9.0, 1)
    with StudyProgress(study, StopRule(4, None), "ms", show=True):
        tell(study, "ok", 1.5, 2)
        tell(study, "duplicate", 1.5, 2)
        tell(study, "compile_error", None, 3)
        tell(study, "compile_error", None, 3)
    assert re.fullmatch(
        r"2/4 configs \[00:00, 00:00 left, [0-9.]+/s\], "
        r"best 1\.5 ms \(2\.00 x as fast as the default\), 1 failed\n",
        capsys.readouterr().err,
    )


def tell(study: optuna.Study, status: str, value: float | None, n: int) -> None:
    state = TrialState.FAIL if value is None else TrialState.COMPLETE
    attributes = {"status": status, "config": {"n": n}}
    study.add_trial(optuna.trial.create_trial(state=state, value=value, user_attrs=attributes))
