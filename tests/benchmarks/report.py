"""From runs to figures: medians, spreads, ratios, a JSON document and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

import psycopg

from bridge.postgres.embedded import EmbeddedPostgres
from tests.benchmarks.drain import Run
from tests.benchmarks.figures import Spread, aligned, machine
from tests.benchmarks.latency import Latency
from tests.benchmarks.server import SETTINGS, Transport
from tests.benchmarks.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the runs of one contestant come to.

    Attributes:
        wall_us: microseconds for each row, while streaming.
        cpu_us: CPU time of the process for each row, while streaming.
        server_cpu_us: CPU time of the walsender for each row.
        target_cpu_us: CPU time of the server that was delivered to, for each row.
        whole_wall_us, whole_cpu_us: the same with the start of the process.
        peak_rss_mb: largest resident size.
        ratio: wall time in relation to the baseline; the median is the ratio of the medians, the
            extremes are those of the ratios within one round.
    """

    wall_us: Spread
    cpu_us: Spread
    server_cpu_us: Spread
    target_cpu_us: Spread
    whole_wall_us: Spread
    whole_cpu_us: Spread
    peak_rss_mb: Spread
    ratio: Spread


def summarize(rows: int, runs: Mapping[str, Sequence[Run]]) -> dict[str, Summary]:
    """Return the figures of each contestant; the n-th runs of all belong to one round.

    The first contestant is the baseline.
    """
    base = [run.wall_s for run in next(iter(runs.values()))]
    found = {}
    for name, own in runs.items():
        rounds = [run.wall_s / other for run, other in zip(own, base, strict=True)]
        ratio = median(run.wall_s for run in own) / median(base)
        found[name] = Summary(
            wall_us=Spread.of([run.wall_s / rows * 1e6 for run in own]),
            cpu_us=Spread.of([run.cpu_s / rows * 1e6 for run in own]),
            server_cpu_us=Spread.of([run.server_cpu_s / rows * 1e6 for run in own]),
            target_cpu_us=Spread.of([run.target_cpu_s / rows * 1e6 for run in own]),
            whole_wall_us=Spread.of([run.whole_wall_s / rows * 1e6 for run in own]),
            whole_cpu_us=Spread.of([run.whole_cpu_s / rows * 1e6 for run in own]),
            peak_rss_mb=Spread.of([run.peak_rss_mb for run in own]),
            ratio=Spread(median=ratio, min=min(rounds), max=max(rounds)),
        )
    return found


def drain_document(
    workload: Workload, transport: Transport, runs: Mapping[str, Sequence[Run]]
) -> dict[str, Any]:
    """Return summary and single runs of one workload."""
    return {
        "workload": asdict(workload),
        "transport": transport,
        "summary": {
            name: asdict(summary) for name, summary in summarize(workload.rows, runs).items()
        },
        "runs": {name: [asdict(run) for run in own] for name, own in runs.items()},
    }


def environment(server: EmbeddedPostgres) -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    return {
        "server": f"PostgreSQL {server.binaries.version}, {server.binaries.origin}",
        "settings": dict(SETTINGS),
        "psycopg": f"{version('psycopg')} ({psycopg.pq.__impl__})",
        **machine(),
    }


def drain_table(workload: Workload, transport: Transport, runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a table of one workload, in microseconds a row unless a column says otherwise."""
    rounds = len(next(iter(runs.values())))
    delivered = any(run.target_cpu_s for own in runs.values() for run in own)
    rows = [
        ["", "wall", "(min-max)", "rows/s", "CPU", "server CPU", *["target CPU"] * delivered,
         "with start", "peak MB", "ratio", "(min-max)"]
    ]  # fmt: skip
    for name, each in summarize(workload.rows, runs).items():
        rows.append(
            [
                name,
                f"{each.wall_us.median:.2f}",
                f"({each.wall_us.min:.2f}-{each.wall_us.max:.2f})",
                f"{1e6 / each.wall_us.median:,.0f}",
                f"{each.cpu_us.median:.2f}",
                f"{each.server_cpu_us.median:.2f}",
                *[f"{each.target_cpu_us.median:.2f}"] * delivered,
                f"{each.whole_wall_us.median:.2f}",
                f"{each.peak_rss_mb.median:.0f}",
                f"{each.ratio.median:.2f}",
                f"({each.ratio.min:.2f}-{each.ratio.max:.2f})",
            ]
        )
    title = (
        f"{workload.rows:,} rows, {workload.per_transaction:,} a transaction, over {transport}; "
        f"µs/row, median of {rounds}"
    )
    return f"{title}\n{aligned(rows)}"


def latency_table(arrival: str, found: Mapping[int, Latency]) -> str:
    """Return a table of the latencies, in milliseconds unless a column says otherwise."""
    rows = [
        ["events/s", "reached", "p50", "p99", "p99.9", "max", "writer late", "(max)", "CPU %",
         "server CPU %"]
    ]  # fmt: skip
    for rate, each in found.items():
        rows.append(
            [
                f"{rate:,}",
                f"{each.events_per_s:,.0f}",
                *(f"{value:.1f}" for value in (each.p50, each.p99, each.p999, each.max)),
                f"{each.lag_mean:.1f}",
                f"({each.lag_max:.1f})",
                f"{each.cpu_percent:.0f}",
                f"{each.server_cpu_percent:.0f}",
            ]
        )
    return f"commit to {arrival}, ms\n{aligned(rows)}"
