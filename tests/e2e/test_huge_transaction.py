"""A transaction larger than every buffer, before a sink that is in no hurry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.waiting import eventually

MakeBridge = Callable[..., BridgeProcess]
ROWS = 300_000
FIRST = 20_000
RSS_LIMIT_MB = 150


def peak_rss_mb(pid: int) -> float:
    """Return the largest resident size that the process has had, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the kernel does not tell")


def given_up_in_the_middle(database: Database, make_bridge: MakeBridge) -> BridgeProcess:
    """Return a bridge whose sink hangs after the first rows, and that has closed its connection."""
    connection = database.connect()
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, filler text)")
    bridge = make_bridge(
        database.dsn,
        sinks=[{"type": "gated", "pass_first": FIRST}],
        backpressure={
            "max_events": 4000,
            "max_bytes": 1 << 20,
            "spool_bytes": 1 << 20,
            "max_pause_seconds": 1,
        },
    )
    bridge.gate().block()
    bridge.start()
    bridge.wait_until_logged("stream_started")
    connection.execute(
        "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, %s) i", [ROWS]
    )
    bridge.wait_until_logged("stream_given_up", timeout=60)
    return bridge


def slot_is_active(database: Database) -> bool:
    row = (
        database.connect()
        .execute(
            "SELECT bool_or(active) FROM pg_replication_slots WHERE database = current_database()"
        )
        .fetchone()
    )
    return bool(row and row[0])


def test_it_makes_progress_across_reconnects_and_kills_without_repeating_itself(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    bridge = given_up_in_the_middle(newest_database, make_bridge)
    eventually(lambda: not slot_is_active(newest_database), message="the connection is closed")
    eventually(
        lambda: bridge.checkpoint().positions.get("gated") is not None,
        message="the position inside the transaction is saved",
    )
    inside = bridge.checkpoint().positions["gated"]
    assert 0 < inside.ordinal < ROWS - 1
    # Killed there and started again, it goes on behind that position.
    bridge.kill()
    bridge.gate().release()
    bridge.start()
    events = bridge.wait_for_events(ROWS, timeout=120)
    assert peak_rss_mb(bridge.process.pid) < RSS_LIMIT_MB
    assert bridge.terminate() == 0
    ordinals = [event["ordinal"] for event in events]
    assert sorted(set(ordinals)) == list(range(ROWS))
    repeated = len(ordinals) - ROWS
    assert repeated <= FIRST - inside.ordinal
    print(f"{ROWS} rows, checkpoint at {inside}, {repeated} repeated after the kill")


def test_a_reconnect_inside_it_repeats_nothing(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    bridge = given_up_in_the_middle(newest_database, make_bridge)
    bridge.gate().release()
    events = bridge.wait_for_events(ROWS, timeout=120)
    assert [event["ordinal"] for event in events] == list(range(ROWS))
    assert len(bridge.logged("stream_started")) >= 2
    assert bridge.terminate() == 0
