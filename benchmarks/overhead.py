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


def measure(samplers: Sequence[str], storage: str, n_trials: int) -> list[dict[str, Any]]:
    """Runs a study a sampler, :data:`CHUNK` trials of each in turn: they share a machine's moods.

    Returns:
        For each: the sampler, the storage, seconds in ask and in tell by chunk, and the most
        memory that the process has had so far, in MiB.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        studies = [
            optuna.create_study(
                sampler=make_sampler(parse(text), seed=0),
                storage=f"sqlite:///{Path(folder) / f'{i}.db'}" if storage == "sqlite" else None,
            )
            for i, text in enumerate(samplers)
        ]
        chunks = [[_chunk(study) for study in studies] for _ in range(n_trials // CHUNK)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        {
            "sampler": text,
            "storage": storage,
            "ask_s": [round(ask_s, 4) for ask_s, _ in of_one],
            "tell_s": [round(tell_s, 4) for _, tell_s in of_one],
            "peak_mib": round(peak),
        }
        for text, of_one in zip(samplers, zip(*chunks, strict=True), strict=True)
    ]


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
    """Measures the samplers with each storage, in this process.

    Returns:
        A Markdown table. Milliseconds are those of an ask in the chunk that ends with trial
        1,000, and in the last one.
    """
    lines = [
        "| sampler | storage | trials | ask, s | tell, s | ms at 1,000 | ms at the end | MiB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a") as file:
        for storage in storages:
            for row in measure(samplers, storage, n_trials):
                file.write(json.dumps(row) + "\n")
                lines.append(_line(row))
            file.flush()
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    ask_s = row["ask_s"]
    asks = [1000 * seconds / CHUNK for seconds in ask_s]
    return (
        f"| `{row['sampler']}` | {row['storage']} | {CHUNK * len(asks):,} | {sum(ask_s):.1f} "
        f"| {sum(row['tell_s']):.1f} | {asks[:10][-1]:.1f} | {asks[-1]:.1f} | {row['peak_mib']} |"
    )
