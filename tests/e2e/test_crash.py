"""The crash test: killed at any moment, with the server restarted under it, nothing is lost."""

from __future__ import annotations

import math
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from pathlib import Path

import psycopg
import pytest

from bridge.postgres.embedded import EmbeddedPostgres, StopMode
from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.delivered import Event, EventFile, position, rebuild, without_repeats
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import current_wal_lsn, look_at_slot
from tests.fixtures.writers import (
    PUBLISHED,
    Writers,
    create_tables,
    current_tables,
    delivered_history,
    recorded_history,
)

_CATCH_UP_S = 60.0
_LONGEST_LIFE = 3_000
"""Events after which the process is killed at the latest; short lives are more frequent."""


@dataclass
class Lives:
    """The lives of a bridge, one process each, and the end that each of them has.

    Attributes:
        bridge: with a sink ``file``, which knows what it holds, and a sink ``stdout``, which does
            not, so that whatever is sent twice stands there twice.
        server: the source.
        choose: the source of all chance.
        outputs: what each life has written to standard output.
        streamed: how many of them came as far as streaming.
    """

    bridge: BridgeProcess
    server: EmbeddedPostgres
    choose: random.Random
    outputs: list[EventFile] = field(default_factory=list)
    streamed: int = 0

    def begin(self) -> None:
        path = self.bridge.directory / f"stdout-{len(self.outputs)}.jsonl"
        self.bridge.start(stdout=path)
        self.outputs.append(EventFile(path))

    def end(self) -> None:
        self.streamed += bool(self.bridge.logged("stream_started"))
        self.bridge.kill()

    def kill_while_starting(self) -> None:
        try:
            self.bridge.process.wait(self.choose.random())
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"it ended by itself:\n{self.bridge.stderr}")

    def kill_at_an_event(self) -> None:
        enough = int(math.exp(self.choose.uniform(0, math.log(_LONGEST_LIFE))))
        self.bridge.until(
            lambda: len(self.outputs[-1].events()) >= enough, f"{enough} events in this life"
        )

    def survive_a_restart(self, mode: StopMode) -> None:
        self.bridge.wait_until_logged("stream_started")
        before = len(self.bridge.logged("stream_started"))
        self.server.restart(mode)
        self.bridge.wait_until_logged("stream_started", count=before + 1)


def crash(
    server: EmbeddedPostgres, bridge: BridgeProcess, *, seed: int, kills: int, restarts: int
) -> tuple[Lives, int]:
    """Let writers write, kill the bridge and restart the server; return when all is delivered."""
    choose = random.Random(seed)
    lives = Lives(bridge, server, choose)
    lives.begin()
    bridge.wait_until_logged("stream_started")  # the slot exists: from here on nothing is missed
    modes: Iterator[StopMode] = cycle(("fast", "immediate"))
    restarted = set(choose.sample(range(kills), restarts))
    with Writers(server.dsn(), seed=seed) as writers:
        for number in range(kills):
            restart_alive, restart_dead = number in restarted, False
            if restart_alive and choose.random() < 0.5:
                restart_alive, restart_dead = False, True
            if restart_alive:
                lives.survive_a_restart(next(modes))
            if choose.random() < 0.25:
                lives.kill_while_starting()
            else:
                lives.kill_at_an_event()
            lives.end()
            if restart_dead:
                server.restart(next(modes))
            lives.begin()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        end = current_wal_lsn(connection)
        bridge.until(
            lambda: look_at_slot(connection).confirmed >= end, "all is delivered", _CATCH_UP_S
        )
    assert bridge.terminate() == 0
    return lives, writers.commits


def assert_ordered(events: list[Event], where: str) -> None:
    for before, after in pairwise(events):
        assert position(before) < position(after), f"{where}: {before['event_id']}"


def assert_exact(events: list[Event], server: EmbeddedPostgres) -> None:
    """Hold events, each there once, against what the database says of its own history."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        recorded, tables = recorded_history(connection), current_tables(connection)
    counters = {str(i): {"id": i, "version": 0} for i in (1, 2, 3)}
    delivered = delivered_history(events)
    assert delivered.keys() == recorded.keys()
    for xid, changes in recorded.items():
        assert delivered[xid] == changes, f"transaction {xid}"
    rebuilt = rebuild(events, {"counters": counters})
    for name, rows in tables.items():
        assert {row["id"]: row for row in rebuilt[name].values()} == rows, f"table {name}"


def crash_and_compare(
    server: EmbeddedPostgres, bridge: BridgeProcess, *, kills: int, restarts: int
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_tables(connection)
    lives, commits = crash(server, bridge, seed=seed, kills=kills, restarts=restarts)

    files = [EventFile(path) for path in rotated(bridge.delivered("file").path)]
    assert [file.torn() for file in files] == [b""] * len(files)
    kept = [event for file in files for event in file.events()]
    assert_ordered(kept, "the files")  # of all lives: the sink knows what it holds
    assert_exact(kept, server)

    told: list[Event] = []
    for number, output in enumerate(lives.outputs):
        assert_ordered(output.events(), f"life {number}")
        told += output.events()
    once = without_repeats(told)
    assert once == kept
    print(
        f"{kills} kills, {restarts} restarts of the server, {lives.streamed} lives that streamed, "
        f"{commits} transactions, {len(once)} events; sent twice to standard output: "
        f"{len(told) - len(once)}, to the file: 0"
    )


def rotated(path: Path) -> list[Path]:
    """Return the files that a file sink has split off, in order, and the last one."""
    return [*sorted(path.parent.glob(f"{path.stem}-*-*{path.suffix}")), path]


@pytest.mark.parametrize(
    ("major", "kills", "restarts"),
    [
        pytest.param(None, 15, 2, id="newest"),
        pytest.param(None, 50, 5, id="newest-50", marks=pytest.mark.nightly),
        pytest.param(13, 10, 2, id="pg13", marks=pytest.mark.nightly),
    ],
)
def test_killed_at_random_moments_it_delivers_the_exact_history(
    major: int | None,
    kills: int,
    restarts: int,
    private_server: PrivateServerFactory,
    make_bridge: MakeBridge,
) -> None:
    server = private_server(major)
    sinks = [{"type": "file"}, {"type": "stdout"}]
    bridge = make_bridge(server.dsn(), tables=PUBLISHED, sinks=sinks)
    crash_and_compare(server, bridge, kills=kills, restarts=restarts)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_killed_hundreds_of_times_with_rotating_files_it_delivers_the_exact_history(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server()
    sinks = [{"type": "file", "rotate_bytes": 500_000}, {"type": "stdout"}]
    bridge = make_bridge(server.dsn(), tables=PUBLISHED, sinks=sinks)
    crash_and_compare(server, bridge, kills=300, restarts=20)
