"""Processes that tune, forked from one that has imported everything: they start in no time.

The processes that compile and measure come from one more fork of it, which all of them share.
Starts a process for each line of its input, a JSON object, and answers with two lines for each:
its number when it starts, and its number and status when it has ended.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing.connection
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import select
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any

from optuna.storages import RDBStorage

import optuna_lfbo.helion._jobs  # noqa: F401
from optuna_lfbo.helion._fork_server import outlive_clients
from tests.reliability import program

if TYPE_CHECKING:
    from collections.abc import Iterator

forkserver = multiprocessing.forkserver


def main() -> None:
    _import_what_comes_late()
    _say({"server": _start_server()})
    pending, alive = b"", set[int]()
    while True:
        if select.select([0], [], [], 0.02)[0]:
            chunk = os.read(0, 65536)
            if not chunk:
                break
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                alive.add(pid := _fork(json.loads(line)))
                _say({"pid": pid})
        for pid, status in _ended():
            alive.discard(pid)
            _say({"pid": pid, "status": status})
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def _import_what_comes_late() -> None:
    """Import what would be imported in every process, when it is needed."""
    RDBStorage("sqlite://")
    for name in ("jax", "redis", "psycopg2", "pymysql", "grpc"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _start_server() -> int:
    """Do what multiprocessing does, but without importing everything once more."""
    multiprocessing.resource_tracker.ensure_running()
    listener = socket.socket(socket.AF_UNIX)
    address = multiprocessing.connection.arbitrary_address("AF_UNIX")
    listener.bind(address)
    listener.listen()
    alive_r, alive_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(alive_w)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        outlive_clients()
        forkserver.main(listener.fileno(), alive_r, [])
        os._exit(0)
    os.close(alive_r)
    listener.close()
    server: Any = forkserver._forkserver
    server._forkserver_address = address
    server._forkserver_alive_fd = alive_w
    server._forkserver_pid = pid
    # It is not the child of those that use it, which is what would be checked.
    server.ensure_running = forkserver.ensure_running = lambda: None
    return pid


def _ended() -> Iterator[tuple[int, int]]:
    """Processes that have ended since the last call, and their exit statuses."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended[0], os.waitstatus_to_exitcode(ended[1])


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setpgid(0, 0)
        output = os.open(order.pop("output"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        program.tune(**order)
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
