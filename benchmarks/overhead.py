"""What samplers cost: seconds in ask and tell as a study grows, and memory."""

from __future__ import annotations

import json
import math
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from benchmarks.runners.optuna_samplers import make_sampler
from benchmarks.spec import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.tasks import Params

N_EACH = 10
"""Floats, ints and categoricals each: 30 mixed parameters."""
CHUNK = 100
"""Trials whose seconds are added up."""


def suggest(trial: optuna.Trial) -> Params:
    """Asks for 30 parameters, a third of each kind."""
    return {
        **{f"x{i}": trial.suggest_float(f"x{i}", -1.0, 1.0) for i in range(N_EACH)},
        **{f"n{i}": trial.suggest_int(f"n{i}", 0, 15) for i in range(N_EACH)},
        **{f"c{i}": trial.suggest_categorical(f"c{i}", "abcd") for i in range(N_EACH)},
    }


def value(params: Params) -> float:
    """A bowl with a maze of categories; one point in ten fails, as NaN."""
    if params["n0"] == params["n1"] or params["c0"] == params["c1"] == params["c2"]:
        return math.nan
    bowl = sum(params[f"x{i}"] ** 2 + (params[f"n{i}"] / 15 - 0.5) ** 2 for i in range(N_EACH))
    maze = sum(params[f"c{i}"] != "c" for i in range(N_EACH)) / N_EACH
    return float(bowl + maze)


def measure(text: str, storage: str, n_trials: int) -> dict[str, Any]:
    """Runs one study and adds up the seconds of every :data:`CHUNK` trials.

    Returns:
        The sampler, the storage, seconds in ask and in tell by chunk, and the most memory that
        the process has had so far, in MiB.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'study.db'}" if storage == "sqlite" else None
        study = optuna.create_study(sampler=make_sampler(parse(text), seed=0), storage=url)
        chunks = [_chunk(study) for _ in range(n_trials // CHUNK)]
    ask_s, tell_s = zip(*chunks, strict=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "sampler": text,
        "storage": storage,
        "ask_s": [round(s, 4) for s in ask_s],
        "tell_s": [round(s, 4) for s in tell_s],
        "peak_mib": round(peak),
    }


def _chunk(study: optuna.Study) -> tuple[float, float]:
    """Runs :data:`CHUNK` trials and returns the seconds in ask and in tell."""
    ask_s = tell_s = 0.0
    for _ in range(CHUNK):
        start = time.perf_counter()
        trial = study.ask()
        params = suggest(trial)
        asked = time.perf_counter()
        result = value(params)
        if math.isnan(result):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, result)
        ask_s += asked - start
        tell_s += time.perf_counter() - asked
    return ask_s, tell_s


def overhead(samplers: Sequence[str], storages: Sequence[str], n_trials: int, out: Path) -> str:
    """Measures each sampler with each storage, one after the other in this process.

    Returns:
        A Markdown table.
    """
    lines = [
        "| sampler | storage | trials | ask + tell, s | first ask, ms | last ask, ms | MiB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a") as file:
        for storage in storages:
            for sampler in samplers:
                row = measure(sampler, storage, n_trials)
                file.write(json.dumps(row) + "\n")
                file.flush()
                lines.append(_line(row))
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    asks = [1000 * seconds / CHUNK for seconds in row["ask_s"]]
    total = sum(row["ask_s"]) + sum(row["tell_s"])
    return (
        f"| `{row['sampler']}` | {row['storage']} | {CHUNK * len(asks)} | {total:.1f} "
        f"| {asks[0]:.1f} | {asks[-1]:.1f} | {row['peak_mib']} |"
    )
