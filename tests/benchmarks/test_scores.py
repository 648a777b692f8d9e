"""Raw results and what is made of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import records, scores
from benchmarks.comparison import best_variants, compare
from benchmarks.records import Record
from benchmarks.report import report
from benchmarks.tasks import Reference

if TYPE_CHECKING:
    from pathlib import Path


def make_record(
    values: list[float], *, task: str = "kernel/a/int", sampler: str = "tpe", n_trials: int = 4
) -> Record:
    return Record(task, sampler, 0, n_trials, values, len(values), Reference(1.0, 5.0, 9.0))


def test_records_survive_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    record = make_record([math.nan, 2.0])
    path.write_text(records.dump(record) + "\n" + records.dump(record) + "\n")
    (read,) = records.load([path])
    assert read.key == record.key
    assert math.isnan(read.values[0])
    assert read.values[1] == 2.0
    path.write_text(records.dump(record)[:-5])
    with pytest.raises(ValueError, match=r"raw\.jsonl:1 is no record"):
        list(records.load([path]))


def test_fraction_of_optimum_carries_the_last_best_on() -> None:
    fraction = scores.fraction_of_optimum([make_record([math.nan, 4.0, 2.0])])
    assert fraction.tolist() == [0.0, 0.25, 0.5, 0.5]


def test_regret_counts_the_worst_value_before_any_success() -> None:
    assert scores.regret([make_record([math.nan, 5.0, 1.0])]).tolist() == [2.0, 1.0, 0.0, 0.0]


def test_performance_is_0_for_random_search_and_1_for_the_optimum() -> None:
    baseline = [make_record([9.0, 5.0, 3.0, 3.0]), make_record([9.0, 7.0, 5.0, 3.0])]
    assert scores.performance(baseline, baseline).tolist() == [0.0] * 4
    assert scores.performance([make_record([1.0])], baseline).tolist() == [1.0] * 4


def test_holm_correction_is_monotone_and_scales_with_the_number_of_tests() -> None:
    ours = np.arange(8.0)
    better, same = ours - 1.0 - ours / 10, ours.copy()
    alone = scores.paired_tests(ours, np.array([better]))[0]
    both = scores.paired_tests(ours, np.array([better, same]))
    assert both.tolist() == pytest.approx([2 * alone, 1.0])


def test_average_ranks() -> None:
    assert scores.average_ranks(np.array([[3.0, 1.0], [2.0, 2.0]])).tolist() == [1.5, 1.5]


def test_comparison_leaves_out_what_lacks_tasks_and_keeps_the_best_variant() -> None:
    found = [
        make_record([2.0], sampler="lfbo", task=task, n_trials=3)
        for task in ("kernel/a/int", "kernel/b/int")
    ]
    for sampler, value in (("tpe", 4.0), ("tpe(penalty=True)", 3.0), ("random", 9.0)):
        found += [make_record([value], sampler=sampler, task=r.task) for r in found[:2]]
    found.append(make_record([1.0], sampler="gp"))
    comparison = best_variants(compare("title", found, "lfbo"), "lfbo")
    assert comparison.samplers == ["lfbo", "tpe(penalty=True)", "random"]
    assert comparison.left_out == ["gp (1 of 2 tasks)"]
    assert comparison.curves("lfbo").shape == (2, 3)


def test_report_holds_every_section_that_has_results(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    raw = tmp_path / "raw.jsonl"
    tasks = [f"kernel/{name}/{encoding}" for name in "abc" for encoding in ("int", "cat")]
    lines = [
        records.dump(make_record([value] * 50, sampler=sampler, task=task, n_trials=50))
        for task in [*tasks, "hpo/vehicle"]
        for sampler, value in (("lfbo", 2.0), ("random", 4.0))
    ]
    raw.write_text("\n".join(lines))
    text = report([raw], "lfbo", plots=tmp_path / "plots")
    assert "## GPU kernels, both encodings" in text
    assert "## Hyperparameter optimization" in text
    assert "constraints known" not in text
    assert "| `lfbo` | 1 | 50 | 0.500 | 0.500 | 0.667 | 1.00 |" in text
    assert "+0.031" in text
    assert len(list((tmp_path / "plots").glob("*.png"))) == 4
