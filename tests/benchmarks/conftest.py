"""A tiny table of kernel timings."""

from __future__ import annotations

import gzip
import json
from itertools import product
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

X, Y = [16, 32, 48, 64], [1, 2, 4]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One table: x = 64 is against a constraint where y = 4, and x = 16, y = 1 does not run."""
    cache = {}
    for x, y in product(X, Y):
        if (x, y) != (64, 4):
            time = "RuntimeFailedConfig" if (x, y) == (16, 1) else 100.0 / x + y
            cache[f"{x},{y},15"] = {"x": x, "y": y, "constant": 15, "time": time}
    table = {
        "device_name": "device",
        "kernel_name": "kernel",
        "problem_size": [64],
        "tune_params_keys": ["x", "y", "constant"],
        "tune_params": {"x": X, "y": Y, "constant": [15]},
        "objective": "time",
        "cache": cache,
    }
    folder = tmp_path_factory.mktemp("tables")
    (folder / "tiny.json.gz").write_bytes(gzip.compress(json.dumps(table).encode()))
    return folder
