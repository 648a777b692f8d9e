"""Makes the figures of docs/reliability.md: ``python -m tests.reliability --kills 40``."""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from tests.reliability import storms
from tests.reliability.crew import Nursery
from tests.reliability.servers import KINDS, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reliability.crew import Crew


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--kills", type=int, default=40, help="at random moments, on each storage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--storages", nargs="+", choices=KINDS, default=KINDS)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    random_kills = functools.partial(storms.kills, n_kills=options.kills, seed=options.seed)
    nursery = Nursery()
    print("| storage | what | faults | workers started | trials told | lost | seconds |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for kind in options.storages:
        _report(nursery, kind, "each fault once", storms.every_fault)
        _report(nursery, kind, "SIGKILL at random", random_kills)
    nursery.close()


def _report(
    nursery: Nursery, kind: str, name: str, storm: Callable[..., tuple[Crew, int]]
) -> None:
    """Print a line of the table; a loss or a worker that fails is an AssertionError."""
    with tempfile.TemporaryDirectory() as root:
        folder, database = Path(root) / "work", Path(root) / "storage"
        folder.mkdir()
        database.mkdir()
        started = time.monotonic()
        with running(kind, database) as storage:
            crew, n_faults = storm(nursery, storage, folder)
            n_told, n_lost = len(crew.log("told")), len(crew.lost(storage.study().trials))
        seconds = time.monotonic() - started
    counts = n_faults, len(crew.pids), n_told, n_lost, round(seconds)
    print(f"| {kind} | {name} |", " | ".join(map(str, counts)), "|", flush=True)


if __name__ == "__main__":
    main()
