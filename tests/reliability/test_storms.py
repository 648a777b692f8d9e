"""Everything that can go wrong without a GPU, in one study, on each kind of storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.reliability import storms
from tests.reliability.crew import Crew

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reliability.crew import Nursery
    from tests.reliability.servers import Storage


def test_every_fault(storage: Storage, nursery: Nursery, folder: Path) -> None:
    storms.every_fault(nursery, storage, folder)


def test_kills_at_random_moments(storage: Storage, nursery: Nursery, folder: Path) -> None:
    n_kills = 20 if storage.spec["kind"] in ("sqlite", "redis") else 4
    storms.kills(nursery, storage, folder, n_kills, seed=n_kills)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_a_machine_that_was_rebooted_goes_on_at_once(
    storage: Storage, nursery: Nursery, folder: Path
) -> None:
    crew = Crew(nursery, storage, folder)
    crew.start(machine="before")
    crew.until(lambda: len(crew.told) >= 5, n_workers=1)
    crew.kill()
    crew.wait()
    crew.start(machine="after")
    crew.wait()
    assert crew.is_complete
    trials = crew.conclude(machine="after")
    assert any("lost" in trial.user_attrs.get("error", "") for trial in trials)
