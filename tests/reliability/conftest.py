from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.reliability.crew import Nursery
from tests.reliability.servers import KINDS, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.reliability.servers import Storage


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
