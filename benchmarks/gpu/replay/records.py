"""Recorded configurations of a kernel, whoever has measured them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.gpu.records import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from benchmarks.gpu.replay.machine import Fault

_FAULTS: dict[str, Fault] = {
    # Ours; what cannot be launched has failed before it could take the process down.
    "compile_error": "compile_error",
    "compile_timeout": "compile_timeout",
    "runtime_error": "out_of_resources",
    "wrong_result": "wrong_result",
    "benchmark_timeout": "benchmark_timeout",
    # Helion's.
    "error": "compile_error",
    "timeout": "compile_timeout",
}


@dataclass(frozen=True)
class Record:
    """What came of one configuration on a device.

    Attributes:
        config: the configuration.
        fault: what was wrong with it.
        latency_ms: if nothing was.
        compile_s: seconds that compiling it took, if it is on record and was the first of its
            program.
    """

    config: dict[str, Any]
    fault: Fault | None
    latency_ms: float | None
    compile_s: float | None


def records(paths: Iterable[Path], kernel: str) -> list[Record]:
    """Reads the configurations of a kernel, the first measurement of each.

    Args:
        paths: files of runs (``points``) or of whole studies (``trials``), as JSON lines, maybe
            compressed. What an earlier one has of a configuration counts.
        kernel: its name.

    Raises:
        ValueError: There is none.
    """
    found: dict[str, Record] = {}
    for path in paths:
        for run in map(json.loads, text_of(path).splitlines()):
            if run["kernel"] == kernel:
                for entry in run.get("trials") or run["points"]:
                    record = _record(entry)
                    if record is not None:
                        found.setdefault(json.dumps(record.config, sort_keys=True), record)
    if not found:
        raise ValueError(f"The files have no configuration of {kernel!r}.")
    return list(found.values())


def _record(entry: Mapping[str, Any]) -> Record | None:
    config, status = entry.get("config"), entry["status"]
    fault, latency_ms = _FAULTS.get(status), entry["latency_ms"]
    if not config or (fault is None and latency_ms is None):
        return None
    is_first = status in ("ok", "compile_error", "runtime_error")
    return Record(config, fault, latency_ms, entry.get("compile_s") if is_first else None)
