"""The log that Helion's autotuner writes (``HELION_AUTOTUNE_LOG``), as trials of a study."""

from __future__ import annotations

import ast
import csv
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.trial import TrialState

from optuna_lfbo._winner import DEFAULT_LATENCY
from optuna_lfbo.helion import _compat
from optuna_lfbo.helion._outcome import Outcome, key_of, one_line
from optuna_lfbo.helion._task import json_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from optuna_lfbo.helion._kernel_task import KernelTask
    from optuna_lfbo.helion._outcome import Status

_COLUMNS: Final = {"status", "perf_ms", "config"}
_STARTED: Final = "started"

_STATUSES: Final[Mapping[str, Status]] = {
    "ok": "ok",
    "deduplicated": "ok",
    # The log does not tell errors of the compiler from others.
    "error": "runtime_error",
    "timeout": "compile_timeout",
    "accuracy_error": "wrong_result",
    "filtered": "rejected",
    "source_rejected": "rejected",
}
"""A ``peer_compilation_fail`` says nothing about the configuration itself."""


class LogError(Exception):
    """A file is not a log of Helion's autotuner, or not of one run."""


@dataclass(frozen=True)
class Entry:
    """What a log says about one configuration.

    Attributes:
        config: The text of a ``helion.Config``.
        outcome: How it ended.
        started_s: When it was started, in seconds since the run was.
        ended_s: When it ended.
    """

    config: str
    outcome: Outcome
    started_s: float
    ended_s: float


def read_log(path: Path, run: str | None = None) -> list[Entry]:
    """Return what a log says about the configurations that ended.

    Args:
        path: The CSV file.
        run: The beginning of the ``run_id`` to take.

    Raises:
        OSError: The file cannot be read.
        LogError: It is not such a log, or does not have exactly one such run.
    """
    with path.open(encoding="utf-8", newline="") as file:
        try:
            rows = list(csv.DictReader(file))
        except (UnicodeDecodeError, csv.Error) as error:
            raise LogError(f"{str(path)!r} is not a CSV file: {error}") from error
    if not rows or not rows[0].keys() >= _COLUMNS:
        raise LogError(
            f"{str(path)!r} has no row with the columns {', '.join(sorted(_COLUMNS))}; expected "
            "the .csv file that Helion writes with HELION_AUTOTUNE_LOG"
        )
    return _entries(_rows_of_run(rows, run))


def _rows_of_run(rows: list[dict[str, str]], run: str | None) -> list[dict[str, str]]:
    # Of other arguments or another kernel, perhaps: the log does not say.
    chosen = [row for row in rows if (row.get("run_id") or "").startswith(run or "")]
    runs = list(dict.fromkeys(row.get("run_id") or "" for row in chosen))
    if len(runs) != 1:
        known = runs or dict.fromkeys(row.get("run_id") or "" for row in rows)
        raise LogError(
            f"the log has {len(runs)} runs"
            + ("" if run is None else f" that begin with {run!r}")
            + f", choose one of these: {', '.join(name[:12] for name in known)}"
        )
    return chosen


def _entries(rows: Iterable[dict[str, str]]) -> list[Entry]:
    entries: list[Entry] = []
    started: dict[str, float] = {}
    for row in rows:
        status, config = row["status"], row["config"] or ""
        at_s = _number(row.get("timestamp_s"))
        if status == _STARTED:
            started[config] = at_s
        elif (outcome := _outcome(row)) is not None:
            entries.append(Entry(config, outcome, started.pop(config, at_s), at_s))
    return entries


def _outcome(row: Mapping[str, str]) -> Outcome | None:
    status = _STATUSES.get(row["status"])
    compile_s, latency = _number(row.get("compile_time_s")), _number(row["perf_ms"])
    if status == "ok" and latency > 0.0:
        return Outcome("ok", latency, compile_s=compile_s)
    if status is None or status == "ok":
        return None
    reason = f"{row['status']!r} in the log of Helion's autotuner"
    return Outcome(status, error=reason, compile_s=compile_s)


def _number(text: str | None) -> float:
    try:
        value = float(text or 0.0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


@dataclass
class Imported:
    """How many configurations of a log became trials.

    Attributes:
        n_added: New trials.
        n_known: Configurations that the study has an outcome for already.
        left_out: Why others are not, a reason for each.
    """

    n_added: int
    n_known: int
    left_out: list[str]


def add_trials(
    task: KernelTask, study: optuna.Study, entries: Iterable[Entry], ended: datetime
) -> Imported:
    """Make the entries of a log trials of ``study``, each configuration once.

    Args:
        task: The kernel that the log is about.
        study: Where to add them.
        entries: What the log says.
        ended: When the last of them was written.

    Raises:
        ValueError: The study is not one for this kernel, its arguments and device.
    """
    task.claim(study)
    entries = list(entries)
    known = {
        key_of(trial.user_attrs.get("config"))
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished() and "status" in trial.user_attrs
    }
    result = Imported(0, 0, [])
    began = ended - timedelta(seconds=max((entry.ended_s for entry in entries), default=0.0))
    for entry in entries:
        try:
            trial = _trial(task, entry, began)
        except (ValueError, _compat.InvalidConfig) as error:
            result.left_out.append(one_line(f"{entry.config}: {error}"))
            continue
        configuration = trial.user_attrs["config"]
        if key_of(configuration) in known:
            result.n_known += 1
            continue
        known.add(key_of(configuration))
        study.add_trial(trial)
        result.n_added += 1
        if configuration == task.default and trial.state == TrialState.COMPLETE:
            study.set_user_attr(DEFAULT_LATENCY, trial.value)
    return result


def _trial(task: KernelTask, entry: Entry, began: datetime) -> FrozenTrial:
    params = task.params(_parsed(entry.config))
    outcome = entry.outcome
    trial = optuna.trial.create_trial(
        state=TrialState.FAIL if outcome.latency_ms is None else TrialState.COMPLETE,
        value=outcome.latency_ms,
        params=params,
        distributions=task.distributions,
        user_attrs={
            "config": json_of(task.space.config(params)),
            "device": task.identity.device,
            **outcome.attributes(),
        },
    )
    trial.datetime_start = began + timedelta(seconds=entry.started_s)
    trial.datetime_complete = began + timedelta(seconds=entry.ended_s)
    return trial


def _parsed(text: str) -> dict[str, Any]:
    """The entries of the text of a ``helion.Config``, as JSON has them.

    Raises:
        ValueError: It is something else.
    """
    try:
        call = ast.parse(text.removeprefix("helion."), mode="eval").body
    except SyntaxError as error:
        raise ValueError("not the text of a helion.Config") from error
    if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "Config" and not call.args):
        raise ValueError("not the text of a helion.Config")
    return json_of({str(word.arg): ast.literal_eval(word.value) for word in call.keywords})
