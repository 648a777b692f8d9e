"""What a study goes through, and what has to be left of it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_lfbo.helion._ledger import has_outcome
from tests.reliability.crew import Crew
from tests.reliability.program import N

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from tests.reliability.crew import Nursery
    from tests.reliability.servers import Storage

PLANS = {
    "compile-1": "hang",
    "measure-2": "hang",
    "compile-3": "crash",
    "measure-4": "crash",
    "compile-6": "kill the process",
    "compile-7": "kill the tuner",
    "measure-8": "kill the tuner",
    "tell-9": "die in 0.0",
    "tell-10": "die in 0.003",
    "tell-11": "die in 0.02",
    "tell-22": "meet",
    "tell-23": "meet",
}
EXPECTED = {
    1: "compile_timeout",
    2: "benchmark_timeout",
    3: "compile_error",
    4: "runtime_error",
    6: "compile_error",
}
OUTAGE_S = 1.5


def every_fault(nursery: Nursery, storage: Storage, folder: Path) -> tuple[Crew, int]:
    """Two workers meet each kind of fault once; return them and the number of faults."""
    crew = Crew(nursery, storage, folder, PLANS)
    crew.until(lambda: len(crew.told) >= N // 3 and crew.is_at_work)
    with storage.away():
        time.sleep(OUTAGE_S)
    crew.until(lambda: len(crew.told) >= N // 2)
    crew.kill(signal.SIGKILL)  # The machine is rebooted.
    crew.until(lambda: crew.is_complete)

    trials = crew.conclude()
    assert len(crew.log("fault")) == len(PLANS)
    failed = {t.params["v"]: t.user_attrs["status"] for t in trials if _has_failed(t)}
    assert failed.items() <= EXPECTED.items()
    # If the worker died before it could tell, the configuration was tried again.
    lost = {trial.params["v"] for trial in trials if "lost" in trial.user_attrs.get("error", "")}
    assert EXPECTED.keys() <= failed.keys() | lost
    return crew, len(PLANS) + 2


def kills(
    nursery: Nursery, storage: Storage, folder: Path, n_kills: int, seed: int
) -> tuple[Crew, int]:
    """Two workers are killed at random moments; return them and the number of kills."""
    crew = Crew(nursery, storage, folder, n=4 * n_kills + 20)
    crew.kill_at_random(n_kills, seed)
    crew.until(lambda: crew.is_complete)
    crew.conclude()
    return crew, n_kills


def _has_failed(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and has_outcome(trial)
