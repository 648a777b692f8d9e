"""Every kind of peer on a tiny table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import optuna
import pytest

from benchmarks.run import Job, execute

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("sampler", ["random", "tpe(penalty=True)", "tpe(batch=3)"])
def test_optuna_samplers_run(tables: Path, sampler: str) -> None:
    record = execute(Job("kernel/tiny/cat", sampler, 0, 6, tables))
    assert len(record.values) == 6
    assert record.notes["ask_s"] > 0
    assert record.versions["optuna"] == optuna.__version__
    assert execute(Job("kernel/tiny/cat", sampler, 0, 6, tables)).values == pytest.approx(
        record.values, nan_ok=True
    )


@pytest.mark.parametrize(
    "sampler", ["helion_pattern", "helion_lfbo_pattern", "helion_lfbo_tree(initial_population=5)"]
)
def test_helion_searches_run(tables: Path, sampler: str) -> None:
    pytest.importorskip("helion")
    record = execute(Job("kernel/tiny/int", sampler, 0, 9, tables))
    assert 5 <= len(record.values) <= 9
    assert np.nanmin(record.values) >= record.reference.optimum


@pytest.mark.parametrize("strategy", ["random_sample", "genetic_algorithm", "bayes_opt"])
def test_kernel_tuner_keeps_to_the_constraints(tables: Path, strategy: str) -> None:
    pytest.importorskip("kernel_tuner")
    options = "" if strategy != "bayes_opt" else "(popsize=3)"
    record = execute(Job("known/tiny", f"kt_{strategy}{options}", 0, 8, tables))
    n_failures = sum(math.isnan(value) for value in record.values)
    assert n_failures <= 1  # the point that does not run, but never the one that is not allowed
    assert 1 <= len(record.values) <= 8


def test_smac_runs_with_failures(tables: Path) -> None:
    pytest.importorskip("smac")
    record = execute(Job("kernel/tiny/cat", "smac", 0, 6, tables))
    assert len(record.values) == 6
