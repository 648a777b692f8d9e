from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.gpu import records, retime
from benchmarks.gpu.records import Retimed
from benchmarks.gpu.retime import (
    candidates,
    check,
    retime_all,
    retime_on,
    rotated_rounds,
    shared_cache,
)
from tests.benchmarks.gpu_runs import failed, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_candidates_are_distinct_and_know_whose_they_are() -> None:
    found = candidates(
        [
            run(curve=((1.0, 5.0), (9.0, 2.0))),
            run(tuner="quick", seconds=4.0),
            run(tuner="lfbo_tree", curve=((3.0, 1.0),)),
            failed(tuner="pattern"),
            run("softmax", seed=3),
            run("softmax", "lfbo_tree", config=None, error="stopped", curve=((1.0, 7.0),)),
        ]
    )
    assert found == {
        "matmul": [
            Retimed(["matmul/default"], {}),
            Retimed(["matmul/ours/0", "matmul/quick/0"], {"x": 2.0}),
            Retimed(["matmul/ours/0/at_quick"], {"x": 5.0}),
            Retimed(["matmul/lfbo_tree/0"], {"x": 1.0}),
        ],
        "softmax": [
            Retimed(["softmax/default"], {}),
            Retimed(["softmax/ours/3"], {"x": 2.0}),
            Retimed(["softmax/lfbo_tree/0/at_stop"], {"x": 7.0}),
        ],
    }


def test_each_round_has_another_order_and_each_function_its_own_latencies() -> None:
    functions = [lambda i=i: i for i in range(3)]  # type: ignore[misc]
    orders: list[list[object]] = []

    def timer(given: list[Callable[[], object]]) -> list[float]:
        orders.append([function() for function in given])
        return [10.0 * len(orders) + float(str(function())) for function in given]

    samples = rotated_rounds(timer, functions, rounds=3)
    assert orders == [[0, 1, 2], [0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert samples == [[20.0, 30.0, 40.0], [21.0, 31.0, 41.0], [22.0, 32.0, 42.0]]


def test_the_shared_cache_is_this_processs_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", "before")
    monkeypatch.delenv("HELION_CACHE_DIR", raising=False)
    with shared_cache():
        assert os.environ["TRITON_CACHE_DIR"] != "before"
        assert os.environ["HELION_CACHE_DIR"]
    assert os.environ["TRITON_CACHE_DIR"] == "before"
    assert "HELION_CACHE_DIR" not in os.environ


def test_winners_are_checked_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Processes would do the same, after seconds of importing.
    monkeypatch.setattr(retime, "_pool", lambda n_tasks: ThreadPoolExecutor(1))
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out.jsonl"
    records.append(raw, run("long_reduction", config={"block_sizes": [8]}))
    records.append(raw, run("long_reduction", "quick", config={"block_sizes": [8, 8]}))
    records.append(raw, run("softmax"))
    retime_all([raw], out, ["long_reduction"], rounds=2, budget=600.0)
    (found,) = records.retimings([out]).values()
    by_name = {retimed.names[0]: retimed for retimed in found.configs}
    for name in ("long_reduction/default", "long_reduction/ours/0"):
        assert len(by_name[name].rounds) == 2
        assert min(by_name[name].rounds) > 0
        assert by_name[name].error is None
        assert by_name[name].relative_error == pytest.approx(0, abs=1e-5)
    broken = by_name["long_reduction/quick/0"]
    assert broken.rounds == []
    assert "block_sizes" in (broken.error or "")
    assert broken.latency_ms is None

    # What is there is not done again, and there is nothing that a spent budget could leave out.
    retime_all([raw], out, ["long_reduction"], rounds=2, budget=0.0)
    assert len(out.read_text().splitlines()) == 1


def test_a_spent_budget_begins_no_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retime, "_pool", lambda n_tasks: ThreadPoolExecutor(1))
    monkeypatch.setattr(retime, "check", lambda kernel, retimed: retimed)
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out.jsonl"
    records.append(raw, run("long_reduction"))
    retime_all([raw], out, ["long_reduction"], rounds=2, budget=0.0)
    assert not out.exists()


RETIME = """
import argparse, os, sys
from pathlib import Path
from benchmarks.gpu import records
parser = argparse.ArgumentParser()
parser.add_argument("command")
for name in ("--raw", "--out", "--kernels", "--rounds", "--budget"):
    parser.add_argument(name, required=True)
args = parser.parse_args()
cores = " ".join(map(str, os.sched_getaffinity(0)))
for kernel in args.kernels.split(","):
    if kernel == "softmax":
        sys.exit(3)
    given = {"cores": cores, "rounds": args.rounds, "budget": args.budget}
    retiming = records.Retiming(kernel, os.environ["CUDA_VISIBLE_DEVICES"], given, [])
    records.append(Path(args.out), retiming)
"""


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs, a processor of at least two cores, and processes that re-time nothing."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two lanes need two cores")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-5")
    original = subprocess.Popen

    def popen(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        assert command[:3] == [sys.executable, "-m", "benchmarks.gpu"]
        return original([sys.executable, "-c", RETIME, *command[3:]], **options)

    monkeypatch.setattr(subprocess, "Popen", popen)


@pytest.mark.usefixtures("two_gpus")
def test_each_kernel_is_retimed_on_one_of_the_devices(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out.jsonl"
    kernels = ["matmul", "rms_norm", "attention"]
    for kernel in [*kernels, "softmax"]:
        records.append(raw, run(kernel))
    retime_on([0, 1], [raw], out, kernels, rounds=7, budget=9.5)
    found = records.retimings([out])
    assert {kernel: found[kernel].device for kernel in found} == {
        "matmul": "4",
        "rms_norm": "GPU-5",
        "attention": "4",
    }
    cores = {retiming.device: retiming.versions["cores"] for retiming in found.values()}
    assert not set(cores["4"].split()) & set(cores["GPU-5"].split())
    assert {retiming.versions["rounds"] for retiming in found.values()} == {"7"}
    assert {retiming.versions["budget"] for retiming in found.values()} == {"9.5"}


@pytest.mark.usefixtures("two_gpus")
def test_a_device_that_fails_leaves_the_others_their_retimings(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out.jsonl"
    kernels = ["softmax", "rms_norm"]
    for kernel in kernels:
        records.append(raw, run(kernel))
    with pytest.raises(RuntimeError, match="The process of device 0 ended with 3"):
        retime_on([0, 1], [raw], out, kernels, rounds=2, budget=9.0)
    assert list(records.retimings([out])) == ["rms_norm"]


@pytest.mark.usefixtures("two_gpus")
def test_no_device_is_needed_for_nothing(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out.jsonl"
    records.append(raw, run("softmax"))
    retime_on([0, 1], [raw], out, ["matmul"], rounds=2, budget=9.0)
    assert not out.exists()


def test_a_wrong_result_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retime, "TOLERANCE", -1.0)
    found = check("long_reduction", Retimed(["x"], {"block_sizes": [8]}))
    assert found.error is not None
    assert "relative error" in found.error
