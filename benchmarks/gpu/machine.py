"""Where the benchmark runs."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import torch

from benchmarks.gpu.kernels import DEVICE

_PACKAGES = ("helion", "torch", "triton", "optuna", "scikit-learn")


def device_name() -> str:
    """Returns the name of the device that kernels are tuned for."""
    return torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"


def cores() -> int:
    """Returns how many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages at work that are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
