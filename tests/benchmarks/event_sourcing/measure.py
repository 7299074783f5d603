"""All contestants in turns, each in a process and a database of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from tempfile import TemporaryDirectory

import psycopg
from psycopg.conninfo import make_conninfo

from bridge.core.errors import BridgeError
from tests.benchmarks.event_sourcing.contestant import Load
from tests.benchmarks.event_sourcing.run import (
    JETSTREAM,
    MEMORY,
    ON_POSTGRES,
    PEER_POSTGRES,
    PEER_SQLITE,
    PEERS,
    POSTGRES,
    SQLITE,
)

CONTROL = f"{SQLITE}, again"

_DEADLINE_S = 1800.0


class Failed(BridgeError):
    """A process did not get to the end; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What contestants connect to.

    Attributes:
        postgres: connection string of a server on which databases can be made.
        nats: URLs of a cluster; none where there is no `nats-server`.
    """

    postgres: str
    nats: tuple[str, ...] = ()


def contestants(servers: Servers) -> dict[str, str]:
    """Return the stores in the order of a round, by their names in the table.

    The same one runs first and last, so that one sees how far two equal series are apart. The
    other package is left out where it is not installed.
    """
    names = [SQLITE, PEER_SQLITE, POSTGRES, PEER_POSTGRES, MEMORY]
    if servers.nats:
        names.append(JETSTREAM)
    if find_spec("eventsourcing") is None:
        names = [name for name in names if name not in PEERS]
    return {name: name for name in names} | {CONTROL: SQLITE}


def race(
    load: Load, servers: Servers, *, repeat: int, note: Callable[[str], None]
) -> dict[str, list[dict[str, float]]]:
    """Let every contestant do everything, in turns.

    Args:
        load: how much.
        servers: for those contestants that need one.
        repeat: how many rounds.
        note: takes a line on what is going on.

    Returns:
        name to the rates of each round, by job.

    Raises:
        Failed: a contestant did not get to the end, or gave a wrong answer.
    """
    field = contestants(servers)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in field}
    for turn in range(1, repeat + 1):
        for number, (name, store) in enumerate(field.items()):
            with ExitStack() as stack:
                if store == JETSTREAM:
                    place = ",".join(servers.nats)
                elif store in ON_POSTGRES:
                    place = _database(servers.postgres, f"bench_{turn}_{number}")
                else:
                    place = stack.enter_context(TemporaryDirectory(prefix="pgbridge-bench-"))
                found = _run(store, load, place)
            rates = ", ".join(f"{rate:,.0f}" for rate in found.values())
            note(f"round {turn}: {name}: {rates}")
            runs[name].append(found)
    return runs


def _database(server: str, name: str) -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute("CHECKPOINT")
    return make_conninfo(server, dbname=name)


def _run(store: str, load: Load, place: str) -> dict[str, float]:
    module = "tests.benchmarks.event_sourcing.run"
    command = [sys.executable, "-m", module, store, json.dumps(asdict(load)), place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE_S)
    if done.returncode != 0:
        said = done.stderr.strip()[-2000:]
        raise Failed(f"{store} ended with {done.returncode}. It said:\n{said}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


BASELINES: Mapping[str, Sequence[str]] = {
    SQLITE: (PEER_SQLITE, CONTROL, MEMORY),
    POSTGRES: (PEER_POSTGRES,),
}
"""Which contestants are compared with which."""
