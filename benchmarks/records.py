"""Raw results: one JSON line a run."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from benchmarks.lines import as_line
from benchmarks.tasks import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Record:
    """One run.

    Attributes:
        task: name of the task.
        sampler: the sampler as written on the command line.
        seed: the run's seed.
        n_trials: the budget in distinct points.
        values: the value of each distinct point in order, NaN for failures; fewer than
            ``n_trials`` if the search ended by itself.
        n_calls: points asked for, repeated ones included.
        reference: landmarks of the task's values.
        notes: what the runner has to say, such as the seconds spent in ask and tell.
        versions: of the packages at work.
    """

    task: str
    sampler: str
    seed: int
    n_trials: int
    values: list[float]
    n_calls: int
    reference: Reference
    notes: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What makes it the same run as another."""
        return (self.task, self.sampler, self.seed, self.n_trials)


def dump(record: Record) -> str:
    """Writes a record as a line, with numbers of six digits and null for failures."""
    return as_line(asdict(record))


def load(paths: Iterable[Path]) -> Iterator[Record]:
    """Reads the records of files, compressed or not; a run that is in twice counts once.

    Raises:
        ValueError: a line is no record; the last line of a killed process may be torn, and the
            message says which one to delete.
    """
    seen = set()
    for path in paths:
        for number, line in enumerate(_text(path).splitlines(), start=1):
            try:
                record = _parse(line)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}:{number} is no record: {error}") from error
            if record.key not in seen:
                seen.add(record.key)
                yield record


def _text(path: Path) -> str:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode()
    return path.read_text()


def _parse(line: str) -> Record:
    raw = json.loads(line)
    raw["values"] = [math.nan if value is None else float(value) for value in raw["values"]]
    raw["reference"] = Reference(**raw["reference"])
    return Record(**raw)
