"""A private, throw-away PostgreSQL server: for the demo, and for the tests.

It is a real server with logical replication switched on. It lives in one short directory of its
own, which is gone when the server is stopped, and also when this process ends in any other way:
a guard process waits for the end of a pipe that only we hold open.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from bridge.core.errors import EnvironmentProblem
from bridge.postgres.binaries import PostgresBinaries, find_binaries, inspect_binaries
from bridge.postgres.server_account import ServerAccount, reachable_bindir, server_account

__all__ = [
    "EmbeddedPostgres",
    "PostgresBinaries",
    "StopMode",
    "find_binaries",
    "inspect_binaries",
]

StopMode: TypeAlias = Literal["fast", "immediate", "smart"]

# https://www.postgresql.org/docs/current/server-shutdown.html
_STOP_SIGNALS: Mapping[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
_DEFAULT_PORT = 5432
_MAX_SOCKET_PATH = 103  # bytes, the smallest limit among the systems we run on
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.02
_LOG_TAIL_BYTES = 2000

# The arguments are pg_ctl and the directory. Nothing is ever written to the guard's standard input:
# it ends when we close it, or when we end ourselves, even by SIGKILL.
_GUARD = """
read -r _
"$1" stop -D "$2/data" -m immediate -w -t 30
rm -rf "$2"
"""


class EmbeddedPostgres:
    """A PostgreSQL server that exists only as long as it is needed.

    A context manager; ``start`` and ``stop`` do the same by hand. Clients come in over a Unix
    socket in a directory that only this account can enter, and, with ``listen``, over
    127.0.0.1 too, where every local user may connect: there is no password.

    Args:
        binaries: the PostgreSQL to run, see ``find_binaries``.
        settings: server settings by name, added to ``wal_level = logical``; they go into
            ``postgresql.conf``, so ``ALTER SYSTEM`` can change them later.
        base_dir: where the server's directory is made; the system's temporary directory by
            default. The path must be short, because a Unix socket's path is.
        port: the port number; by default a free one with ``listen``, else 5432 (which collides
            with nothing, since it is then only a part of the socket's name).
        listen: also listen on 127.0.0.1.
    """

    def __init__(
        self,
        binaries: PostgresBinaries,
        *,
        settings: Mapping[str, str] | None = None,
        base_dir: Path | None = None,
        port: int | None = None,
        listen: bool = False,
    ) -> None:
        self.binaries = binaries
        self._settings = dict(settings or {})
        self._parent_dir = base_dir
        self._listen = listen
        self._port = port
        self._base: Path | None = None
        self._account = ServerAccount()
        self._bindir = binaries.bindir
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def major_version(self) -> int:
        """The server's major version, such as 18."""
        return self.binaries.major

    @property
    def socket_dir(self) -> Path:
        """The directory of the Unix socket: what libpq calls ``host``."""
        return self._directory()

    @property
    def data_dir(self) -> Path:
        """The data directory, with ``postgresql.conf`` and ``pg_hba.conf``."""
        return self._directory() / "data"

    @property
    def log_path(self) -> Path:
        """The server's log file; it goes with the server's directory."""
        return self._directory() / "server.log"

    @property
    def port(self) -> int:
        """The port number, on the Unix socket as on 127.0.0.1."""
        return self._port or _DEFAULT_PORT

    @property
    def pid(self) -> int | None:
        """The process id of the postmaster, None while the server is down."""
        if self._postmaster is None or self._postmaster.poll() is not None:
            return None
        return self._postmaster.pid

    def dsn(self, dbname: str = "postgres", user: str = "postgres", **extra: Any) -> str:
        """Return a libpq connection string; ``extra`` adds to its parameters or replaces them."""
        parameters = {"host": str(self.socket_dir), "port": self.port}
        return make_conninfo(**{**parameters, "dbname": dbname, "user": user, **extra})

    def start(self, timeout: float = _START_TIMEOUT_S) -> Self:
        """Start the server and return once it takes connections; make it first if it is new.

        Raises:
            EnvironmentProblem: it did not start within ``timeout`` seconds; with the log's end.
        """
        if self.pid is not None:
            return self
        try:
            if self._base is None:
                self._create()
            self._launch(time.monotonic() + timeout)
        except BaseException:
            self.stop("immediate")
            raise
        return self

    def shut_down(self, mode: StopMode = "fast", timeout: float = _STOP_TIMEOUT_S) -> None:
        """End the server but keep its data: ``start`` brings it back.

        Raises:
            EnvironmentProblem: it was still running after ``timeout`` seconds, as when a client
                keeps a smart shutdown waiting; it goes on shutting down.
        """
        if self._postmaster is None:
            return
        self._postmaster.send_signal(_STOP_SIGNALS[mode])
        try:
            self._postmaster.wait(timeout)
        except subprocess.TimeoutExpired:
            raise EnvironmentProblem(
                f"PostgreSQL did not end within {timeout:g} s of a {mode} shutdown. "
                f"The end of its log:\n{self._log_tail()}"
            ) from None

    def restart(self, mode: StopMode = "fast", timeout: float = _STOP_TIMEOUT_S) -> None:
        """Shut down, keep the data, and start again on the same address."""
        self.shut_down(mode, timeout)
        self.start()

    def kill(self) -> None:
        """End the postmaster with SIGKILL: a crash. ``start`` brings it back, with recovery."""
        if self._postmaster is not None:
            self._postmaster.kill()
            self._postmaster.wait()

    def stop(self, mode: StopMode = "fast", timeout: float = _STOP_TIMEOUT_S) -> None:
        """End the server, by force if it does not end in time, and remove everything it left."""
        atexit.unregister(self.stop)
        try:
            self.shut_down(mode, timeout)
        except EnvironmentProblem:
            self.kill()
        finally:
            self._remove()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _directory(self) -> Path:
        if self._base is None:
            raise RuntimeError("the server has not been started")
        return self._base

    def _create(self) -> None:
        made_in = self._parent_dir.absolute() if self._parent_dir is not None else None
        self._base = base = Path(tempfile.mkdtemp(prefix="pgbridge-", dir=made_in))
        atexit.register(self.stop)
        if self._port is None and self._listen:
            self._port = _free_port()
        socket_path = base / f".s.PGSQL.{self.port}"
        if len(os.fsencode(socket_path)) > _MAX_SOCKET_PATH:
            raise EnvironmentProblem(
                f"The path of the server's Unix socket is too long: {socket_path}.",
                remedy="Set TMPDIR to a directory with a shorter path, such as /tmp.",
            )
        self._account = server_account(base)
        self._bindir = reachable_bindir(self.binaries.bindir, self._account, base)
        self._guard = self._account.popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self._bindir / "pg_ctl"), str(base)],
            cwd=Path("/"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._make_data()
        self._configure()

    def _make_data(self) -> None:
        # No sync: this data never outlives the machine's next crash.
        initdb = [str(self._bindir / "initdb"), "-N", "-A", "trust", "-U", "postgres"]
        made = self._account.run(
            [*initdb, "-E", "UTF8", "--locale=C", "-D", str(self.data_dir)], self._directory()
        )
        if made.returncode != 0:
            output = made.stdout.decode(errors="replace").strip()
            raise EnvironmentProblem(
                f"initdb of PostgreSQL {self.binaries.version} failed in {self._base}. "
                f"It said:\n{output}"
            )

    def _configure(self) -> None:
        settings = {
            "wal_level": "logical",
            "listen_addresses": "127.0.0.1" if self._listen else "",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            # Shared memory as files below the data directory: nothing to leave in /dev/shm.
            "dynamic_shared_memory_type": "mmap",
            **self._settings,
        }
        with (self.data_dir / "postgresql.conf").open("a", encoding="utf-8") as conf:
            for name, value in settings.items():
                conf.write("{} = '{}'\n".format(name, value.replace("'", "''")))

    def _launch(self, deadline: float) -> None:
        while True:
            log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
            with self.log_path.open("ab") as log:
                self._postmaster = self._account.popen(
                    [str(self._bindir / "postgres"), "-D", str(self.data_dir)],
                    cwd=self._directory(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            if self._wait_until_ready(self._postmaster, deadline):
                return
            # After a kill, the old server's children take a moment to notice that it is gone.
            waiting = b"shared memory block" in self.log_path.read_bytes()[log_start:]
            if not waiting or time.monotonic() > deadline:
                raise EnvironmentProblem(
                    f"PostgreSQL {self.binaries.version} did not start. "
                    f"The end of its log:\n{self._log_tail()}"
                )

    def _wait_until_ready(self, postmaster: subprocess.Popen[bytes], deadline: float) -> bool:
        # A ping is a real connection whose only question is whether the server takes it; that
        # holds also where a test has changed pg_hba.conf so that we would need a password.
        conninfo = self.dsn(connect_timeout=5).encode()
        while time.monotonic() < deadline:
            if PGconn.ping(conninfo) == Ping.OK:
                return True
            with suppress(subprocess.TimeoutExpired):
                postmaster.wait(_POLL_S)
                return False
        return False

    def _log_tail(self) -> str:
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()

    def _remove(self) -> None:
        if self._base is None:
            return
        self._remove_shared_memory()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
        shutil.rmtree(self._base, ignore_errors=True)
        self._base = self._postmaster = self._guard = None

    def _remove_shared_memory(self) -> None:
        """Remove the System V segment, which a killed postmaster cannot remove itself."""
        lock_file = self.data_dir / "postmaster.pid"
        if not lock_file.exists():
            return
        # Line 7 holds the key and the id of the segment.
        numbers = " ".join(lock_file.read_text().splitlines()[6:7]).split()
        if len(numbers) == 2:
            ctypes.CDLL(None).shmctl(int(numbers[1]), 0, None)  # 0 is IPC_RMID


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
