"""Who drains the backlog: each is a process that is started on a slot of its own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bridge.core.errors import BridgeError
from bridge.core.lsn import Lsn, format_lsn
from bridge.postgres.embedded import EmbeddedPostgres
from tests.benchmarks.server import client
from tests.benchmarks.workload import PUBLICATION

BASELINE = "pg_recvlogical"
CONTROL = "pg_recvlogical again"
DECODE = "decode only"
NULL = "bridge, null"
FILE = "bridge, file"

_EVENTS = "events.jsonl"
_POSITION = re.compile(rb'"commit_lsn":(\d+),"event_id":"[0-9a-f-]{28}([0-9a-f]{8})"')


class Void(BridgeError):
    """A run that does not count, because rows are missing or came twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run of one contestant.

    Attributes:
        dsn: of the database.
        slot: to stream from.
        rows: how many there are in the backlog.
        end_lsn: where its last commit ends.
        directory: an empty one, for what the contestant writes.
    """

    dsn: str
    slot: str
    rows: int
    end_lsn: Lsn
    directory: Path


@dataclass(frozen=True, slots=True)
class Contestant:
    """A way to drain the backlog.

    Attributes:
        name: in the table.
        command: makes the command line.
        ends: whether it ends by itself when it has confirmed the end.
        check: looks at what it wrote; raises ``Void``.
        check_first: looks closer, after the round that does not count; raises ``Void``.
        target: process ids of the server that it delivers to.
    """

    name: str
    command: Callable[[Task], Sequence[str]]
    ends: bool
    check: Callable[[Task], None] = lambda task: None
    check_first: Callable[[Task], None] = lambda task: None
    target: Sequence[int] = ()


def contestants(server: EmbeddedPostgres) -> list[Contestant]:
    """Return the contestants in the order of a round, the baseline first and last."""
    program = client(server, "pg_recvlogical")
    # The bridge asks for logical messages where there are any; so does the baseline.
    messages = ["-o", "messages=true"] if server.major_version >= 14 else []

    def receive(task: Task) -> Sequence[str]:
        return [
            *(str(program), "-d", task.dsn, "-S", task.slot, "--start", "--no-loop"),
            *("-f", "/dev/null", "-F", "0", "-s", "5", "-E", format_lsn(task.end_lsn)),
            *("-o", "proto_version=1", "-o", f"publication_names={PUBLICATION}", *messages),
        ]

    return [
        Contestant(BASELINE, receive, ends=True),
        Contestant(DECODE, decode, ends=True),
        null_sink(NULL),
        Contestant(
            FILE,
            lambda task: run_bridge(task, {"type": "file", "path": str(task.directory / _EVENTS)}),
            ends=False,
            check=_check_lines,
            check_first=_check_positions,
        ),
        Contestant(CONTROL, receive, ends=True),
    ]


def null_sink(name: str) -> Contestant:
    """Return the bridge that delivers nowhere."""
    return Contestant(name, lambda task: run_bridge(task, {"type": "null"}), ends=False)


def decode(task: Task) -> Sequence[str]:
    """Return the command that reads and decodes, and prints the end of the last commit."""
    module = "tests.benchmarks.decode_only"
    return [sys.executable, "-m", module, task.dsn, task.slot, str(task.rows)]


def bridge_config(dsn: str, slot: str, directory: Path, sink: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a bridge as users get it, but for the initial snapshot."""
    return {
        "source": {
            "dsn": dsn,
            "slot": slot,
            "publication": PUBLICATION,
            "snapshot": "never",
        },
        "sinks": [sink],
        "state": {"dir": str(directory / "state")},
    }


def write_config(config: dict[str, Any], directory: Path) -> Path:
    """Write a configuration where a bridge can read it."""
    path = directory / "pgbridge.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _check_positions(task: Task) -> None:
    data = (task.directory / _EVENTS).read_bytes()
    unique = len(set(_POSITION.findall(data)))
    if unique != task.rows:
        raise Void(f"{FILE}: {unique} positions for {task.rows} rows.")
    for line in (data[: data.index(b"\n")], data[data.rindex(b"\n", 0, -1) + 1 :]):
        json.loads(line)


def _check_lines(task: Task) -> None:
    lines = (task.directory / _EVENTS).read_bytes().count(b"\n")
    if lines != task.rows:
        raise Void(f"{FILE}: {lines} lines for {task.rows} rows.")


def run_bridge(task: Task, sink: dict[str, Any]) -> Sequence[str]:
    """Return the command of a bridge with one sink."""
    config = bridge_config(task.dsn, task.slot, task.directory, sink)
    path = write_config(config, task.directory)
    return [sys.executable, "-m", "bridge.cli", "run", "-c", str(path)]
