"""Where the time of the bridge goes: ``python -m tests.benchmarks.profile``.

The bridge runs in this process. Its stages are timed batch by batch, by the CPU time of their
thread, so that the timing itself costs next to nothing; a profiler that hooks every function call
would double the cost of exactly the functions that matter.
"""

from __future__ import annotations

import argparse
import functools
import gc
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

import psycopg

import sinks.json_lines
from bridge.app import Bridge
from bridge.config import load_config
from bridge.core.events import EventBatch
from bridge.core.lsn import format_lsn
from bridge.postgres.stream import ReplicationStream
from bridge.runtime.backlog import Backlog
from bridge.runtime.ledger import Ledger
from bridge.runtime.runner import Runner
from bridge.runtime.state import StateStore
from bridge.runtime.wakeup import Wakeup
from decoders.decoder import PgOutputDecoder
from sinks.append_file import AppendFile
from tests.benchmarks.contestants import bridge_config, write_config
from tests.benchmarks.drain import end_of_backlog
from tests.benchmarks.server import address, benchmark_server
from tests.benchmarks.workload import Workload, backlog, slot_copy

_STAGES: tuple[tuple[Any, str, str], ...] = (
    (ReplicationStream, "_take", "read"),
    (ReplicationStream, "_wait", "wait for the server"),
    (ReplicationStream, "send_status", "status"),
    (PgOutputDecoder, "feed", "decode"),
    (Wakeup, "wait", "pause for the sinks"),
    (Ledger, "hand_out", "acknowledgement"),
    (Ledger, "became_durable", "acknowledgement"),
    (Backlog, "put", "backlog"),
    (Backlog, "take", "backlog"),
    (Backlog, "release", "backlog"),
    (sinks.json_lines, "encode_batch", "encode"),
    (AppendFile, "append", "write"),
    (AppendFile, "sync", "fsync"),
    (StateStore, "save_checkpoint", "checkpoint"),
)
"""Owner, function and the stage that it is counted as; none calls another of them."""

_DEADLINE_S = 300.0


class Stages:
    """CPU time and calls by thread and stage."""

    def __init__(self) -> None:
        self.cpu_ns: Counter[tuple[str, str]] = Counter()
        self.wall_ns: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Return the function with its time added to the stage."""
        cpu, wall, calls = self.cpu_ns, self.wall_ns, self.calls
        thread_time, monotonic = time.thread_time_ns, time.monotonic_ns

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            key = current_thread().name, stage
            began, since = thread_time(), monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                cpu[key] += thread_time() - began
                wall[key] += monotonic() - since
                calls[key] += 1

        return timed

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Time the stages of everything that runs inside the block."""
        before = [(owner, name, getattr(owner, name)) for owner, name, _ in _STAGES]
        for owner, name, stage in _STAGES:
            setattr(owner, name, self.timed(getattr(owner, name), stage))
        try:
            yield
        finally:
            for owner, name, function in before:
                setattr(owner, name, function)


def profile(dsn: str, workload: Workload, sink: str) -> str:
    """Drain the backlog once, and return a table of where the time went."""
    stages = Stages()
    batches: list[int] = []
    threads: dict[str, float] = {}
    with (
        psycopg.connect(dsn, autocommit=True) as session,
        tempfile.TemporaryDirectory(prefix="pgbridge-bench-") as name,
    ):
        directory = Path(name)
        end = format_lsn(end_of_backlog(session, dsn, workload.rows))
        with slot_copy(session, "bench_profile") as slot:
            settings: dict[str, Any] = {"type": sink}
            if sink == "file":
                settings["path"] = str(directory / "events.jsonl")
            config = write_config(bridge_config(dsn, slot, directory, settings), directory)
            bridge = Bridge(load_config(config))

            def stop_at_end() -> None:
                query = "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots"
                deadline = time.monotonic() + _DEADLINE_S
                while time.monotonic() < deadline:
                    row = session.execute(f"{query} WHERE slot_name = %s", [end, slot]).fetchone()
                    if row is not None and row[0]:
                        break
                    time.sleep(0.02)
                threads.update(_thread_cpu())
                bridge.stop()

            hand_out = Runner._hand_out

            def count(runner: Runner, batch: EventBatch, **how: Any) -> None:
                batches.append(len(batch))
                hand_out(runner, batch, **how)

            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)  # as `pgbridge run` does
            watcher = Thread(target=stop_at_end, name="watcher")
            before = _thread_cpu()
            with stages.installed():
                Runner._hand_out = count  # type: ignore[assignment,method-assign]
                try:
                    watcher.start()
                    began = time.monotonic()
                    bridge.run()
                    wall_s = time.monotonic() - began
                finally:
                    Runner._hand_out = hand_out  # type: ignore[method-assign]
                    watcher.join()
    for thread, cpu_s in before.items():
        threads[thread] = threads.get(thread, 0.0) - cpu_s
    return _table(workload, sink, stages, threads, wall_s, batches)


def _table(
    workload: Workload,
    sink: str,
    stages: Stages,
    threads: dict[str, float],
    wall_s: float,
    batches: list[int],
) -> str:
    rows = workload.rows
    lines = [
        f"{workload.name} into {sink}: {rows:,} rows, {wall_s / rows * 1e6:.2f} µs/row with start",
        f"{len(batches):,} batches, {rows / max(1, len(batches)):.1f} rows each",
        f"{'thread':<14}{'stage':<22}{'CPU µs/row':>11}{'wall µs/row':>12}{'calls':>9}",
    ]
    for thread in sorted({name for name, _ in stages.cpu_ns}):
        counted = 0.0
        for (name, stage), cpu_ns in stages.cpu_ns.most_common():
            if name == thread:
                counted += cpu_ns / 1e9
                wall = stages.wall_ns[name, stage] / rows / 1e3
                lines.append(
                    f"{thread:<14}{stage:<22}{cpu_ns / rows / 1e3:>11.2f}{wall:>12.2f}"
                    f"{stages.calls[name, stage]:>9,}"
                )
        other = max(0.0, threads.get(thread, counted) - counted)
        lines.append(f"{thread:<14}{'other':<22}{other / rows * 1e6:>11.2f}")
    return "\n".join(lines)


def _thread_cpu() -> dict[str, float]:
    """Return the CPU time of each thread of this process by the name of the Python thread."""
    import threading

    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for thread in threading.enumerate():
        path = Path(f"/proc/self/task/{thread.native_id}/stat")
        if path.exists():
            stat = path.read_text().rpartition(")")[2].split()
            found[thread.name] = (int(stat[11]) + int(stat[12])) / ticks
    return found


def main() -> None:
    """Profile what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.profile", description="Where the time of the bridge goes."
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--tx", type=int, action="append", help="rows a transaction (1000 and 1)")
    parser.add_argument("--sink", choices=("file", "null"), default="file")
    args = parser.parse_args()
    with benchmark_server() as server:
        for per_transaction in args.tx or (1000, 1):
            dsn = address(server)
            with backlog(dsn, args.rows, per_transaction) as workload:
                print(profile(dsn, workload, args.sink), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
