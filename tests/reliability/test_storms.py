"""Everything that can go wrong without a GPU, in one study, on each kind of storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reliability import storms

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reliability.crew import Nursery
    from tests.reliability.servers import Storage


def test_every_fault(storage: Storage, nursery: Nursery, folder: Path) -> None:
    storms.every_fault(nursery, storage, folder)


def test_kills_at_random_moments(storage: Storage, nursery: Nursery, folder: Path) -> None:
    n_kills = 20 if storage.spec["kind"] in ("sqlite", "redis") else 4
    storms.kills(nursery, storage, folder, n_kills, seed=n_kills)
