"""Functions that travel to another process."""

from __future__ import annotations

import inspect
import linecache
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion._packing import pack

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """def make():
    def outer(x):
        def inner(y):
            return x + y
        return inner
    return outer
"""
ARRIVAL = """
import inspect, sys
from optuna_lfbo.helion._packing import unpack
outer = unpack(sys.stdin.buffer.read())
print(inspect.getsource(outer) + "|" + inspect.getsource(outer(1)) + "|", outer(1)(2))
"""


def test_their_source_is_found_where_their_file_is_not(tmp_path: Path) -> None:
    file = tmp_path / "kernels.py"
    file.write_text(SOURCE)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(SOURCE, str(file), "exec"), namespace)
    outer = namespace["make"]()
    expected = [inspect.getsource(outer), inspect.getsource(outer(1))]
    packed = pack(outer)
    file.unlink()
    linecache.checkcache(str(file))

    arrived = subprocess.run(
        [sys.executable, "-c", ARRIVAL], input=packed, capture_output=True, check=True
    )
    assert arrived.stdout.decode().split("|") == [*expected, " 3\n"]
