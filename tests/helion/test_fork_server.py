"""The process that worker processes are forked from."""

import os
import socket
import subprocess
import sys
from multiprocessing import forkserver
from typing import Any

from optuna_lfbo.helion._compat_worker import Worker

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


UNGUARDED = """
print("once")
from optuna_lfbo.helion import tune
from tests.kernels.suite import pallas, softmax, tensors

for devices in (None, ["cpu", "cpu"]):
    result = tune(pallas(softmax), tensors((16, 128)), n_trials=2, devices=devices)
    print(result.stop_reason)
"""


def test_a_program_needs_neither_a_guard_nor_a_file() -> None:
    command = [sys.executable, "-"]
    ended = subprocess.run(
        command, input=UNGUARDED, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.stdout.splitlines() == ["once", "2 trials", "2 trials"], ended.stderr


def test_it_outlives_a_client_that_dies_before_it_has_said_what_it_wants() -> None:
    server: Any = forkserver._forkserver
    first, second = Worker(), Worker()
    try:
        first.run(os.getpid, 180.0)
        pid = server._forkserver_pid
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(server._forkserver_address)
        second.run(os.getpid, 60.0)
        assert server._forkserver_pid == pid
        assert first.run(os.getppid, 60.0) == second.run(os.getppid, 60.0) == pid
    finally:
        first.stop()
        second.stop()
