"""Lanes: devices at work side by side, each with its own share of the processor's cores."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.gpu.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_CORES = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Lane:
    """What the processes of a lane may use.

    Attributes:
        device: number of a GPU among the visible ones; None for whatever is visible.
        cores: of the processor.
    """

    device: int | None
    cores: frozenset[int]

    def environment(self) -> dict[str, str]:
        """Returns the variables that its processes must be started with."""
        if self.device is None:
            return {}
        visible = _visible()
        return {
            _VISIBLE: visible[self.device] if visible else str(self.device),
            # As nvidia-smi counts them, whatever order CUDA has for unlike ones.
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            # Helion would take all cores of the machine; all else heeds the affinity.
            "HELION_AUTOTUNE_PRECOMPILE_JOBS": str(len(self.cores)),
        }

    def beside(self, path: Path, suffix: str) -> Path:
        """Returns the path of a file of its own beside ``path``."""
        number = "" if self.device is None else f".{self.device}"
        return path.with_suffix(f"{number}{suffix}")

    def say(self, text: str) -> None:
        """Prints progress."""
        say(text if self.device is None else f"[{self.device}] {text}")


def lanes_on(devices: Sequence[int]) -> list[Lane]:
    """Returns a lane for each device, or one on whatever is visible if none is named.

    Without a driver of GPUs the numbers are but names.

    Raises:
        ValueError: A device is not there or named twice, or there are more devices than cores.
    """
    cores = sorted(os.sched_getaffinity(0), key=_place)
    if not devices:
        return [Lane(None, frozenset(cores))]
    if min(devices) < 0 or len(set(devices)) < len(devices):
        raise ValueError(f"--devices: {list(devices)} are not different numbers from 0 on")
    if (n_gpus := _n_gpus()) is not None and max(devices) >= n_gpus:
        raise ValueError(f"--devices: {list(devices)} are not all among the {n_gpus} visible ones")
    share = len(cores) // len(devices)
    if share == 0:
        raise ValueError(f"--devices: {len(devices)} devices have but {len(cores)} cores")
    return [
        Lane(device, frozenset(cores[i * share : (i + 1) * share]))
        for i, device in enumerate(devices)
    ]


def side_by_side(lanes: Sequence[Lane], work: Callable[[Lane, threading.Event], None]) -> None:
    """Calls ``work`` for each lane in a thread of its own, and returns when all have returned.

    What ``work`` starts has the cores of the lane. The event that it is given is set when the
    user interrupts; it should return soon then.

    Raises:
        Exception: What the first of the lanes raised, after all have ended.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(len(lanes)) as pool:
        try:
            calls = [pool.submit(_in_lane, lane, work, stop) for lane in lanes]
            wait(calls)
        except KeyboardInterrupt:
            stop.set()
            raise
    for call in calls:
        call.result()


def _in_lane(
    lane: Lane, work: Callable[[Lane, threading.Event], None], stop: threading.Event
) -> None:
    # Of this thread only; processes inherit it from the thread that starts them.
    os.sched_setaffinity(0, lane.cores)
    try:
        work(lane, stop)
    except Exception as error:
        # It is raised when the other lanes have ended, which may take long.
        lane.say(f"failed: {type(error).__name__}: {error}")
        raise


def _visible() -> list[str]:
    return [entry for entry in os.environ.get(_VISIBLE, "").split(",") if entry]


def _n_gpus() -> int | None:
    """How many GPUs may be named; None where nothing tells."""
    if visible := _visible():
        return len(visible)
    if shutil.which("nvidia-smi") is None:
        return None
    listed = subprocess.run(
        ["nvidia-smi", "--list-gpus"], stdout=subprocess.PIPE, text=True, check=False
    )
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) or None


def _place(core: int) -> tuple[int, int]:
    """Sorts cores so that those that are one piece of hardware are neighbours."""
    try:
        siblings = (_CORES / f"cpu{core}/topology/thread_siblings_list").read_text()
        return int(siblings.replace("-", ",").split(",")[0]), core
    except (OSError, ValueError):
        return core, core
