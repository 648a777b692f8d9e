"""The process that worker processes are forked from."""

import subprocess
import sys

PROGRAM = """
import gc
from optuna_lfbo.helion._compat_worker import Worker

worker = Worker()
print(worker.run(gc.get_freeze_count, 180.0), worker.run(gc.isenabled, 180.0))
worker.stop()
"""


def test_workers_share_what_it_has_imported_and_it_ends_without_a_word() -> None:
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    n_frozen, collects = ended.stdout.split()
    assert int(n_frozen) > 100_000
    assert collects == "True"
    assert ended.stderr == ""
