"""Runs ``torchrun_program`` as torchrun does."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.helion import torchrun_program

if TYPE_CHECKING:
    from pathlib import Path


def configs_of_workers(study: Path, kind: str) -> list[str]:
    """The configuration that each of two workers returns."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0"]
    ended = subprocess.run(
        [sys.executable, *launcher, str(torchrun_program.__file__), str(study), kind],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    return [line.partition("config")[2] for line in lines if "config" in line]
