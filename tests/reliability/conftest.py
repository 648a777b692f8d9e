from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.reliability.crew import Nursery
from tests.reliability.servers import KINDS, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reliability.servers import Storage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One storm at a time: their workers wait for one another, and their servers for the disk."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("reliability"))
            # On a machine that is busy with other things a worker may be too slow for its part.
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def _nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def nursery(_nursery: Nursery) -> Iterator[Nursery]:
    yield _nursery
    _nursery.kill()


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    folder = tmp_path / "storage"
    folder.mkdir()
    with running(request.param, folder) as storage:
        yield storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the workers work."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
