"""The process that all others are forked from, as it has imported everything."""

from __future__ import annotations

import errno
import multiprocessing
import multiprocessing.forkserver
import os
from multiprocessing import reduction, resource_tracker, spawn
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

PROCESS_NAME: Final = "optuna_lfbo"
"""Of the processes that the server is to make without the program."""
_IMPORTED_ONCE: Final = "optuna_lfbo._preload"
_NVML_CHECK: Final = "PYTORCH_NVML_BASED_CUDA_CHECK"


def start_server() -> Any:
    """Start, without waiting for it, the process that workers are forked from.

    Importing torch, Triton and Helion takes many seconds, forking a process that has them
    some milliseconds, so a killed worker is soon replaced. The server never touches CUDA: its
    children may. It asks NVML, not CUDA, whether there is a device, as torch forbids CUDA in
    the children of a process that has asked CUDA anything.

    Returns:
        The context to make processes with.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_IMPORTED_ONCE])
    before = os.environ.get(_NVML_CHECK)
    os.environ[_NVML_CHECK] = "1"
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ[_NVML_CHECK]
        else:
            os.environ[_NVML_CHECK] = before
    return context


def share_server() -> None:
    """Make this process, which a server was asked for, ask the same one for its own children.

    It knows the way to it, but multiprocessing would start another one all the same.
    """
    server: Any = multiprocessing.forkserver._forkserver
    server.ensure_running = resource_tracker.ensure_running
    multiprocessing.forkserver.ensure_running = resource_tracker.ensure_running


def outlive_clients() -> None:
    """Keep a server alive when who has connected to it is killed before it could say what for.

    That ends multiprocessing's server, and with it everybody else who shares it; of an aborted
    connection it takes no notice.
    """
    original = reduction.recvfds

    def received(sock: socket, size: int) -> list[int]:
        try:
            return original(sock, size)
        except EOFError as error:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the client is gone") from error

    reduction.recvfds = received


def spare_programs() -> None:
    """Keep this server from running the program in processes of ours, as multiprocessing would.

    They need nothing of it, for all that they get is packed by value. It may take long, tune
    again, or have no file.
    """
    original = spawn.prepare

    def prepare(data: Mapping[str, Any]) -> None:
        if data.get("name") == PROCESS_NAME:
            data = {key: value for key, value in data.items() if not key.startswith("init_main")}
        original(data)

    spawn.prepare = prepare


def enter(environment: Mapping[str, str]) -> None:
    """Take the environment variables of who has asked for this process, not of the server."""
    os.environ.clear()
    os.environ.update(environment)
    os.environ[_NVML_CHECK] = "1"


def forked(target: Callable[..., None], *args: object) -> Any:
    """Start a process that can have children and is not ended by the terminal.

    Args:
        target: What it does.
        args: Arguments of that.
    """
    process = start_server().Process(target=_in_session, args=(target, *args), name=PROCESS_NAME)
    process.start()
    return process


def _in_session(target: Callable[..., None], *args: object) -> None:
    os.setsid()
    target(*args)
