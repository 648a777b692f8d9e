"""Storages of studies, with servers of their own, which can be taken away for a while."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from optuna_lfbo.helion._storage import opened_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna.storages import BaseStorage

KINDS = ("sqlite", "journal", "redis", "postgresql", "mysql", "grpc")
_START_S = 60.0


def opened(spec: dict[str, Any]) -> str | BaseStorage:
    """The storage that a process of its own opens."""
    kind, where = spec["kind"], spec["where"]
    if kind == "journal":
        # A process that is killed leaves its lock behind. Others wait for the grace period,
        # which is half a minute if nothing is said.
        lock = JournalFileSymlinkLock(where, grace_period=3)
        return JournalStorage(JournalFileBackend(where, lock_obj=lock))
    return str(where)


class Storage:
    """A storage for one test."""

    def __init__(self, kind: str, where: object) -> None:
        self.spec = {"kind": kind, "where": where}

    def study(self) -> optuna.Study:
        storage = opened(self.spec)
        if isinstance(storage, str):
            storage = opened_storage(storage)
        return optuna.load_study(study_name="study", storage=storage)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Nobody reaches it in this context."""
        raise NotImplementedError


class SQLite(Storage):
    def __init__(self, folder: Path) -> None:
        self._path = folder / "study.db"
        super().__init__("sqlite", f"sqlite:///{self._path}")

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        connection = sqlite3.connect(self._path, timeout=30.0)
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.close()


class JournalFile(Storage):
    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.log"
        super().__init__("journal", str(self._path))

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        # As a file system of another machine that has gone.
        moved = self._path.with_suffix(".away")
        self._path.rename(moved)
        self._path.mkdir()
        yield
        self._path.rmdir()
        moved.rename(self._path)


class Served(Storage):
    """A storage behind a server process on a port of its own."""

    ending = signal.SIGTERM

    def __init__(self, kind: str, where: object, port: int) -> None:
        super().__init__(kind, where)
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def prepare(self) -> None:
        """Start what the server needs."""

    def remove(self) -> None:
        """Delete what the test's own folder does not hold."""

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("localhost", self._port)):
                return
            time.sleep(0.05)
        raise TimeoutError(f"{self.command()[0]} did not start")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(self.ending)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        self.stop()
        yield
        self.start()


class Redis(Served):
    def __init__(self, folder: Path) -> None:
        self._folder, port = folder, free_port()
        super().__init__("redis", f"redis://localhost:{port}/0", port)

    def command(self) -> list[str]:
        port = str(self._port)
        options = {"port": port, "dir": str(self._folder), "appendonly": "yes", "save": ""}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return ["redis-server", *words]


class PostgreSQL(Served):
    ending = signal.SIGINT  # Does not wait for clients.

    def __init__(self, folder: Path) -> None:
        # The server's user has to get into the folder, and nobody else.
        folder, port = Path(tempfile.mkdtemp(prefix="postgresql-")), free_port()
        self._folder = folder
        url = f"postgresql+psycopg2://postgres@localhost:{port}/postgres"
        super().__init__("postgresql", url, port)
        self._programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if os.getuid() != 0:
            self._as_user = []
        else:
            shutil.chown(folder, "postgres")
            folder.chmod(0o700)
        initdb = str(self._programs / "initdb")
        options = ["-D", str(folder / "data"), "-U", "postgres", "--auth=trust", "--no-sync"]
        subprocess.run([*self._as_user, initdb, *options], check=True, capture_output=True)

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    def command(self) -> list[str]:
        program, data = str(self._programs / "postgres"), str(self._folder / "data")
        quick = ["-c", "fsync=off", "-k", ""]
        return [*self._as_user, program, "-D", data, "-p", str(self._port), *quick]


class MySQL(Served):
    """MariaDB, which speaks MySQL's protocol."""

    def __init__(self, folder: Path) -> None:
        self._folder, port = folder, free_port()
        super().__init__("mysql", f"mysql+pymysql://root@127.0.0.1:{port}/study", port)
        (folder / "data").mkdir()
        (folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS study CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;"
        )

    def command(self) -> list[str]:
        options = {
            "datadir": str(self._folder / "data"),
            "init-file": str(self._folder / "init.sql"),
            "port": str(self._port),
            "bind-address": "127.0.0.1",
            "socket": "",
            "innodb-flush-method": "nosync",
            # As newer servers are by default; older ones may not know it.
            "loose-innodb-snapshot-isolation": "1",
            # Its own tables of users and statistics take seconds to make.
            "skip-grant-tables": "1",
            "innodb-stats-persistent": "0",
        }
        if os.getuid() == 0:
            options["user"] = "root"
        # The first one makes it read no file of the machine's.
        words = ["--no-defaults", *(f"--{name}={value}" for name, value in options.items())]
        return ["mariadbd", *words]


class Proxy(Served):
    """Optuna's proxy before PostgreSQL, of which only the proxy goes away."""

    def __init__(self, folder: Path) -> None:
        self._database, port = PostgreSQL(folder), free_port()
        super().__init__("grpc", f"grpc://localhost:{port}", port)

    def command(self) -> list[str]:
        code = (
            "import sys, optuna; optuna.storages.run_grpc_proxy_server("
            "optuna.storages.get_storage(sys.argv[1]), port=int(sys.argv[2]))"
        )
        url = str(self._database.spec["where"])
        return [sys.executable, "-c", code, url, str(self._port)]

    def prepare(self) -> None:
        self._database.start()

    def remove(self) -> None:
        self._database.stop()
        self._database.remove()


@contextlib.contextmanager
def running(kind: str, folder: Path) -> Iterator[Storage]:
    """A storage of a kind; skips the test where what it takes is not installed."""
    _skip_without(kind)
    made: Storage = {
        "sqlite": SQLite,
        "journal": JournalFile,
        "redis": Redis,
        "postgresql": PostgreSQL,
        "mysql": MySQL,
        "grpc": Proxy,
    }[kind](folder)
    if not isinstance(made, Served):
        yield made
        return
    try:
        made.prepare()
        made.start()
        yield made
    finally:
        made.stop()
        made.remove()


def _skip_without(kind: str) -> None:
    if kind == "redis":
        pytest.importorskip("redis", reason="the Python package redis is not installed")
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed")
    if kind in ("postgresql", "grpc"):
        pytest.importorskip("psycopg2", reason="the Python package psycopg2 is not installed")
        if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
            pytest.skip("PostgreSQL is not installed in /usr/lib/postgresql")
    if kind == "mysql":
        pytest.importorskip("pymysql", reason="the Python package pymysql is not installed")
        if shutil.which("mariadbd") is None:
            pytest.skip("mariadbd is not installed")
    if kind == "grpc":
        pytest.importorskip("grpc", reason="the Python package grpcio is not installed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port: int = listener.getsockname()[1]
        return port
