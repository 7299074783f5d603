"""Latency from a commit to its arrival, at a rate that does not wait for the bridge."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bridge.postgres.embedded import EmbeddedPostgres
from tests.benchmarks.contestants import bridge_config, write_config
from tests.benchmarks.drain import Failed
from tests.benchmarks.processes import Usage
from tests.benchmarks.server import address, client
from tests.benchmarks.workload import ROW, drop_slot, published_table

_SLOT = "bench_latency"
_TRANSACTIONS_PER_S = 1000
_WARM_UP_S = 3.0
_CLIENTS = 4
_DEADLINE_S = 30.0
_END_S = 60.0

# A sequence, not max(id): the clients commit at the same time.
_SCRIPT = """
INSERT INTO bench SELECT {row}
FROM (SELECT nextval('bench_ids') AS i FROM generate_series(1, {rows})) AS numbers;
"""

_STREAMING = """
SELECT s.active_pid FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
WHERE s.slot_name = %s AND r.state = 'streaming'
"""
_CONFIRMED = "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots WHERE slot_name = %s"
_LAG = re.compile(r"rate limit schedule lag: avg ([\d.]+) \(max ([\d.]+)\) ms")
_WRITTEN = re.compile(r"number of transactions actually processed: (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What was measured at one rate. Times are in milliseconds.

    Attributes:
        events_per_s: the rate that was reached.
        events: how many were measured, those of the warm-up left out.
        p50, p99, p999, max: from the commit time of the event until it had arrived.
        lag_mean, lag_max: how late pgbench was against its own schedule, warm-up included.
        cpu_percent: of one core, by the bridge, start of the process left out.
        server_cpu_percent: of one core, by the walsender.
    """

    events_per_s: float
    events: int
    p50: float
    p99: float
    p999: float
    max: float
    lag_mean: float
    lag_max: float
    cpu_percent: float
    server_cpu_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Where the events go, and who notes when they arrive.

    Attributes:
        name: of the place, for people.
        open: makes the place, and starts the process that notes arrivals in the file of that path;
            returns the settings of the sink, and the process, None if the bridge itself notes them.
        module: the program that is run as the bridge.
    """

    name: str
    open: Callable[[Path], tuple[dict[str, Any], subprocess.Popen[bytes] | None]]
    module: str = "bridge.cli"


def _timed_file(samples: Path) -> tuple[dict[str, Any], None]:
    path = samples.with_name("events.jsonl")
    return {"type": "timed_file", "path": str(path), "samples": str(samples)}, None


FILE_ARRIVAL = Arrival(
    name="durable line in the file",
    open=_timed_file,
    module="tests.benchmarks.timed_bridge",
)


def latency(
    server: EmbeddedPostgres,
    arrival: Arrival,
    *,
    events_per_s: int,
    seconds: float,
    note: Callable[[str], None],
) -> Latency:
    """Write at a rate, in 1,000 transactions a second, and measure what the bridge makes of it.

    Args:
        server: running, and otherwise idle.
        arrival: where the events go.
        events_per_s: the rate.
        seconds: how long, after a warm-up that does not count.
        note: takes a line on what is going on.
    """
    note(f"commit to {arrival.name} at {events_per_s} events/s for {seconds:g} s")
    dsn = server.dsn()
    with (
        tempfile.TemporaryDirectory(prefix="pgbridge-bench-") as name,
        published_table(dsn),
        psycopg.connect(dsn, autocommit=True) as session,
    ):
        session.execute("CREATE SEQUENCE bench_ids CACHE 100")
        directory = Path(name)
        try:
            return _measure(server, session, arrival, directory, events_per_s, seconds)
        finally:
            session.execute("DROP SEQUENCE bench_ids")
            drop_slot(session, _SLOT)


def _measure(
    server: EmbeddedPostgres,
    session: psycopg.Connection[Any],
    arrival: Arrival,
    directory: Path,
    events_per_s: int,
    seconds: float,
) -> Latency:
    samples = directory / "samples"
    sink, reader = arrival.open(samples)
    config = write_config(bridge_config(address(server), _SLOT, directory, sink), directory)
    log_path = directory / "log"
    with log_path.open("wb") as log:
        bridge = subprocess.Popen(
            [sys.executable, "-m", arrival.module, "run", "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        walsender = Usage(_wait_until_streaming(session, bridge))
        tool = Usage(bridge.pid)
        tool.look()
        walsender.look()
        before = tool.cpu_s, walsender.cpu_s
        started = time.time()
        written, lag_mean, lag_max = _write(server, directory, events_per_s, _WARM_UP_S + seconds)
        elapsed = time.time() - started
        tool.look()
        walsender.look()
        _wait_until_confirmed(session)
        bridge.send_signal(signal.SIGTERM)
        if bridge.wait(_END_S) != 0:
            raise TimeoutError
        if reader is not None:
            reader.terminate()
            reader.wait(_END_S)
    except (TimeoutError, subprocess.TimeoutExpired):
        said = log_path.read_text(errors="replace").strip()[-2000:]
        raise Failed(f"The bridge ended with {bridge.poll()}. It said:\n{said}") from None
    finally:
        for process in (bridge, reader):
            if process is not None:
                process.kill()
                process.wait()
    taken = array("q")
    taken.frombytes(samples.read_bytes())
    if len(taken) // 2 != written:
        raise Failed(f"{len(taken) // 2} events arrived of {written} that were written.")
    first = (started + _WARM_UP_S) * 1e6
    counted = [(taken[i], taken[i + 1]) for i in range(0, len(taken), 2) if taken[i] >= first]
    duration_s = (max(at for at, _ in counted) - first) / 1e6
    waits = sorted(wait / 1000 for _, wait in counted)
    return Latency(
        events_per_s=len(waits) / duration_s,
        events=len(waits),
        p50=_quantile(waits, 0.5),
        p99=_quantile(waits, 0.99),
        p999=_quantile(waits, 0.999),
        max=waits[-1],
        lag_mean=lag_mean,
        lag_max=lag_max,
        cpu_percent=(tool.cpu_s - before[0]) / elapsed * 100,
        server_cpu_percent=(walsender.cpu_s - before[1]) / elapsed * 100,
    )


def _wait_until_streaming(session: psycopg.Connection[Any], bridge: subprocess.Popen[bytes]) -> int:
    """Return the process id of the walsender."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline and bridge.poll() is None:
        row = session.execute(_STREAMING, [_SLOT]).fetchone()
        if row is not None:
            return int(row[0])
        time.sleep(0.05)
    raise TimeoutError


def _wait_until_confirmed(session: psycopg.Connection[Any]) -> None:
    """Wait until the bridge has confirmed what pgbench wrote."""
    deadline = time.monotonic() + _DEADLINE_S
    end = session.execute("SELECT pg_current_wal_lsn()").fetchone()
    assert end is not None
    while time.monotonic() < deadline:
        row = session.execute(_CONFIRMED, [end[0], _SLOT]).fetchone()
        if row is not None and row[0]:
            return
        time.sleep(0.05)
    raise TimeoutError


def _write(
    server: EmbeddedPostgres, directory: Path, events_per_s: int, seconds: float
) -> tuple[int, float, float]:
    """Run pgbench. Returns the number of rows, and how late it was, mean and maximum, in ms."""
    script = directory / "insert.sql"
    per_transaction = events_per_s // _TRANSACTIONS_PER_S
    script.write_text(_SCRIPT.format(row=ROW.format(i="i"), rows=per_transaction))
    found = subprocess.run(
        [
            *(str(client(server, "pgbench")), "-n", "-f", str(script)),
            *("-c", str(_CLIENTS), "-R", str(_TRANSACTIONS_PER_S), "-T", str(round(seconds))),
            server.dsn(),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + _END_S,
    )
    lag, written = _LAG.search(found.stdout), _WRITTEN.search(found.stdout)
    if found.returncode != 0 or lag is None or written is None:
        raise Failed(f"pgbench failed. It said:\n{found.stdout}{found.stderr}")
    return int(written[1]) * per_transaction, float(lag[1]), float(lag[2])


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
