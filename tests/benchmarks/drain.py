"""Drains of a backlog, measured from outside the draining process."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bridge.core.errors import BridgeError
from bridge.core.lsn import Lsn, format_lsn, parse_lsn
from tests.benchmarks.contestants import Contestant, Task, decode
from tests.benchmarks.processes import Usage
from tests.benchmarks.workload import Workload, backlog, slot_copy

_LOOK_S = 0.01
_DEADLINE_S = 600.0
_END_S = 60.0

# The server itself says when it began to stream; polling for it would be less exact.
_STARTED = """
SELECT s.active_pid, extract(epoch FROM a.query_start)::float8
FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid
WHERE s.slot_name = %s AND a.query LIKE 'START_REPLICATION%%'
"""
_CONFIRMED = "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots WHERE slot_name = %s"


class Failed(BridgeError):
    """A contestant did not get to the end; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One drain.

    Attributes:
        wall_s: from the server's START_REPLICATION until the slot's confirmed flush LSN has
            reached the end of the last commit.
        whole_wall_s: the same from the start of the process.
        cpu_s: user and system time of the process in ``wall_s``.
        whole_cpu_s: the same from the start of the process.
        server_cpu_s: user and system time of the walsender.
        target_cpu_s: user and system time of the server that the process delivers to.
        peak_rss_mb: largest resident size of the process.
    """

    wall_s: float
    whole_wall_s: float
    cpu_s: float
    whole_cpu_s: float
    server_cpu_s: float
    target_cpu_s: float
    peak_rss_mb: float


def drain(
    dsn: str,
    field: Sequence[Contestant],
    *,
    rows: int,
    per_transaction: int,
    repeat: int,
    note: Callable[[str], None],
) -> tuple[Workload, dict[str, list[Run]]]:
    """Let every contestant drain the same backlog, in turns, after a round that does not count.

    Args:
        dsn: of a server that is otherwise idle.
        field: the contestants in the order of a round.
        rows: size of the backlog.
        per_transaction: rows of each transaction.
        repeat: how many rounds count.
        note: takes a line on what is going on.
    """
    runs: dict[str, list[Run]] = {each.name: [] for each in field}
    note(f"writing {rows} rows, {per_transaction} a transaction")
    with (
        backlog(dsn, rows, per_transaction) as workload,
        psycopg.connect(dsn, autocommit=True) as session,
    ):
        end_lsn = end_of_backlog(session, dsn, rows)
        for turn in range(repeat + 1):
            for number, contestant in enumerate(field):
                with _task(
                    session, dsn, f"bench_{workload.name}_{turn}_{number}", rows, end_lsn
                ) as task:
                    run = _measure(session, contestant, task)
                    if turn == 0:
                        contestant.check_first(task)
                kind = f"round {turn}" if turn else "warm-up"
                note(f"{workload.name}, {kind}: {contestant.name} {run.wall_s / rows * 1e6:.2f} µs")
                if turn:
                    runs[contestant.name].append(run)
    return workload, runs


@contextmanager
def _task(
    session: psycopg.Connection[Any], dsn: str, slot: str, rows: int, end_lsn: Lsn
) -> Iterator[Task]:
    with (
        slot_copy(session, slot),
        tempfile.TemporaryDirectory(prefix="pgbridge-bench-") as directory,
    ):
        yield Task(dsn=dsn, slot=slot, rows=rows, end_lsn=end_lsn, directory=Path(directory))


def end_of_backlog(session: psycopg.Connection[Any], dsn: str, rows: int) -> Lsn:
    """Read the backlog once: to see that it is complete, and where its last commit ends."""
    with _task(session, dsn, "bench_survey", rows, 0) as task:
        found = subprocess.run(
            decode(task), stdout=subprocess.PIPE, text=True, check=True, timeout=_DEADLINE_S
        )
    return parse_lsn(found.stdout.strip())


def _measure(session: psycopg.Connection[Any], contestant: Contestant, task: Task) -> Run:
    log_path = task.directory / "log"
    spawned = time.time()
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            contestant.command(task),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        run = _watch(session, task, process, spawned, contestant.target)
        if not contestant.ends:
            process.send_signal(signal.SIGTERM)
        if process.wait(_END_S) != 0:
            raise _Stuck
    except _Stuck:
        said = log_path.read_text(errors="replace").strip()[-2000:]
        raise Failed(
            f"{contestant.name} did not get to the end ({process.poll()}). It said:\n{said}"
        ) from None
    finally:
        process.kill()
        process.wait()
    contestant.check(task)
    return run


class _Stuck(Exception):
    """The process ended too early, or does not come to an end."""


def _watch(
    session: psycopg.Connection[Any],
    task: Task,
    process: subprocess.Popen[bytes],
    spawned: float,
    target_pids: Sequence[int],
) -> Run:
    tool, walsender = Usage(process.pid), None
    target_before = _cpu_s(target_pids)
    started = cpu_before = 0.0
    end = format_lsn(task.end_lsn)
    while True:
        # Whoever ends by itself does so after its last word to the server.
        ended = process.poll() is not None
        tool.look()
        if walsender is None:
            row = session.execute(_STARTED, [task.slot]).fetchone()
            if row is not None:
                walsender, started, cpu_before = Usage(row[0]), row[1], tool.cpu_s
        else:
            walsender.look()
        confirmed = session.execute(_CONFIRMED, [end, task.slot]).fetchone()
        if confirmed is not None and confirmed[0]:
            break
        if ended or time.time() - spawned > _DEADLINE_S:
            raise _Stuck
        time.sleep(_LOOK_S)
    done = time.time()
    if walsender is None:
        raise _Stuck
    return Run(
        wall_s=done - started,
        whole_wall_s=done - spawned,
        cpu_s=tool.cpu_s - cpu_before,
        whole_cpu_s=tool.cpu_s,
        server_cpu_s=walsender.cpu_s,
        target_cpu_s=_cpu_s(target_pids) - target_before,
        peak_rss_mb=tool.peak_rss_mb,
    )


def _cpu_s(pids: Sequence[int]) -> float:
    used = [Usage(pid) for pid in pids]
    for each in used:
        each.look()
    return sum(each.cpu_s for each in used)
