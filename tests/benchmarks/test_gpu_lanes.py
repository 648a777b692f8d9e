from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.gpu import __main__ as command_line
from benchmarks.gpu import lanes
from benchmarks.gpu.lanes import Lane, lanes_on, side_by_side

if TYPE_CHECKING:
    import threading
    from pathlib import Path


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A processor of eight cores, on a machine that tells of no GPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(lanes, "_CORES", tmp_path / "cores")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_without_devices_there_is_one_lane_with_all_that_is_there(tmp_path: Path) -> None:
    (lane,) = lanes_on([])
    assert lane == Lane(None, frozenset(range(8)))
    assert lane.environment() == {}
    assert lane.beside(tmp_path / "raw.jsonl", ".log") == tmp_path / "raw.log"


def test_lanes_share_the_cores(tmp_path: Path) -> None:
    found = lanes_on([3, 0, 1])
    assert [lane.device for lane in found] == [3, 0, 1]
    assert [sorted(lane.cores) for lane in found] == [[0, 1], [2, 3], [4, 5]]
    assert found[0].beside(tmp_path / "raw.jsonl", ".log") == tmp_path / "raw.3.log"


@pytest.mark.parametrize("written", ["{0},{1}", "{0}-{1}"])
def test_no_two_lanes_share_a_core_of_two_threads(tmp_path: Path, written: str) -> None:
    for core in range(8):
        file = tmp_path / f"cores/cpu{core}/topology/thread_siblings_list"
        file.parent.mkdir(parents=True)
        file.write_text(written.format(core % 4, core % 4 + 4) + "\n")
    found = lanes_on([0, 1])
    assert [sorted(lane.cores) for lane in found] == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_a_lane_sees_its_gpu_of_the_visible_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [lane.environment() for lane in lanes_on([0, 1])] == [
        {
            "CUDA_VISIBLE_DEVICES": device,
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "HELION_AUTOTUNE_PRECOMPILE_JOBS": "4",
        }
        for device in ("0", "1")
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-7")
    second, first = lanes_on([1, 0])
    assert second.environment()["CUDA_VISIBLE_DEVICES"] == "GPU-7"
    assert first.environment()["CUDA_VISIBLE_DEVICES"] == "5"


def test_devices_that_are_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU 0: H (UUID: x)'\necho 'GPU 1: H (UUID: y)'\n")
    driver.chmod(0o755)
    assert len(lanes_on([0, 1])) == 2
    with pytest.raises(ValueError, match="among the 2 visible"):
        lanes_on([1, 2])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(ValueError, match="among the 1 visible"):
        lanes_on([1])


@pytest.mark.parametrize(
    ("devices", "message"),
    [([0, -1], "different"), ([1, 1], "different"), (list(range(9)), "but 8 cores")],
)
def test_nonsense_is_refused(devices: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lanes_on(devices)


def test_what_a_lane_starts_has_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if len(mine := os.sched_getaffinity(0)) < 2:
        pytest.skip("two lanes need two cores")
    found: dict[int | None, set[int]] = {}

    def work(lane: Lane, stop: threading.Event) -> None:
        code = "import os; print(*os.sched_getaffinity(0))"
        printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        found[lane.device] = {int(core) for core in printed.stdout.split()}

    pair = [Lane(i, frozenset({core})) for i, core in enumerate(sorted(mine)[:2])]
    side_by_side(pair, work)
    assert found == {lane.device: lane.cores for lane in pair}
    assert os.sched_getaffinity(0) == mine


def test_the_command_line_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["gpu", "run", "--raw", "raw", "--budget", "1", "--devices", "1,1"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        command_line.main()
    assert "--devices: [1, 1] are not different" in capsys.readouterr().err
