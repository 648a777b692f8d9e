"""A disk that is full where compilers write."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from optuna.trial import TrialState

from optuna_lfbo.helion import _disk
from optuna_lfbo.helion._disk import with_space
from optuna_lfbo.helion._jobs import Failure
from optuna_lfbo.helion.exceptions import DiskFullError
from tests.reliability.crew import Crew
from tests.reliability.program import WRITTEN, N

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.reliability.crew import Nursery
    from tests.reliability.servers import Storage


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={6 * WRITTEN}"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
def test_what_has_been_measured_makes_room(
    storage: Storage, nursery: Nursery, folder: Path, small_disk: Path
) -> None:
    plans = {f"compile-{v}": "write" for v in range(7)}
    crew = Crew(nursery, storage, folder, plans)
    pid = crew.start(temporary=str(small_disk))
    crew.wait(pid)
    assert crew.told == set(range(N))
    assert len(crew.log("wrote")) == len(plans)
    assert all(trial.state == TrialState.COMPLETE for trial in crew.conclude())


def test_a_disk_that_stays_full_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_disk, "_PATIENCE_S", 0.0)
    full = Failure("OSError", "[Errno 28] No space left on device: 'x'")
    with pytest.raises(DiskFullError, match="TMPDIR"):
        with_space(lambda: (full, 0.1), None, str(tmp_path), 0.0)  # type: ignore[arg-type]
