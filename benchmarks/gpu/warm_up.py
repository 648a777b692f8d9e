"""Imports what runs need and runs a kernel: ``python -m benchmarks.gpu.warm_up``."""

from __future__ import annotations

import sys

from benchmarks.gpu import ours
from benchmarks.gpu.machine import cores, device_name, versions
from benchmarks.gpu.records import Retimed
from benchmarks.gpu.retime import check


def main() -> str | None:
    """Returns what is wrong, if anything is."""
    print(f"{device_name()}, {cores()} cores, {versions()}, {ours.__name__} is there", flush=True)
    return check("softmax", Retimed([], {})).error


if __name__ == "__main__":
    sys.exit(main())
