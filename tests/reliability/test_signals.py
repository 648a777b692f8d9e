"""Ctrl-C and SIGTERM, sent to real processes."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from optuna.trial import TrialState

from tests.reliability.crew import Crew

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reliability.crew import Nursery
    from tests.reliability.servers import Storage

pytestmark = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_best_so_far_is_returned_and_printed(
    storage: Storage, nursery: Nursery, folder: Path, number: signal.Signals
) -> None:
    crew = Crew(nursery, storage, folder, {"compile-9": "hang"})
    pid = crew.start()
    crew.until(lambda: len(crew.told) >= 7, n_workers=1)
    crew.kill(number)
    crew.wait()

    assert nursery.status(pid) == 0
    ((_, best, reason),) = crew.log("result")
    assert (best, reason) == (5, "interrupted")
    assert "Interrupted. The best so far takes" in crew.output
    crew.check_no_process_is_left()
    assert not storage.study().get_trials(states=(TrialState.RUNNING,))
    crew.conclude()


def test_the_second_one_ends_the_process_at_once(
    storage: Storage, nursery: Nursery, folder: Path
) -> None:
    crew = Crew(nursery, storage, folder)
    pid = crew.start()
    crew.until(lambda: len(crew.told) >= 3, n_workers=1)
    with storage.away():  # So that the first one has to wait.
        while nursery.status(pid) is None:
            crew.kill(signal.SIGINT)
            time.sleep(0.5)
    assert nursery.status(pid) == -signal.SIGINT
    crew.check_no_process_is_left()
