"""From runs to figures: medians, spreads, ratios, a document and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tests.benchmarks.figures import Spread, aligned
from tests.benchmarks.processing.jobs import Load
from tests.benchmarks.processing.measure import Race
from tests.benchmarks.processing.run import Run
from tests.benchmarks.processing.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the runs of one engine come to.

    Attributes:
        events_per_s: by wall time; an engine uses one core.
        cpu_us: CPU time for each event, in microseconds.
        grown_mb: memory that it took besides the events.
        ratio: its wall time in relation to that of the baseline; the median is the ratio of the
            medians, the extremes are those of the ratios within one round.
    """

    events_per_s: Spread
    cpu_us: Spread
    grown_mb: Spread
    ratio: Spread


def summarize(load: Load, runs: Mapping[str, Sequence[Run]]) -> dict[str, Summary]:
    """Return the figures of each engine; the n-th runs of all belong to one round.

    The first engine is the baseline.
    """
    base = [run.wall_s for run in next(iter(runs.values()))]
    found = {}
    for name, own in runs.items():
        rounds = [run.wall_s / other for run, other in zip(own, base, strict=True)]
        ratio = median(run.wall_s for run in own) / median(base)
        found[name] = Summary(
            events_per_s=Spread.of([load.events / run.wall_s for run in own]),
            cpu_us=Spread.of([run.cpu_s / load.events * 1e6 for run in own]),
            grown_mb=Spread.of([run.grown_mb for run in own]),
            ratio=Spread(median=ratio, min=min(rounds), max=max(rounds)),
        )
    return found


def race_document(load: Load, race: Race) -> dict[str, Any]:
    """Return summary and single runs of one job."""
    summary = summarize(load, race.runs)
    return {
        "load": asdict(load),
        "summary": {name: asdict(figures) for name, figures in summary.items()},
        "runs": {name: [asdict(run) for run in own] for name, own in race.runs.items()},
        "unfinished_s": dict(race.unfinished),
    }


def race_table(load: Load, race: Race) -> str:
    """Return a table of one job."""
    baseline = next(iter(race.runs.values()))
    table = [
        ["", "events/s", "(min-max)", "CPU µs/event", "grown MB", "time ratio", "(min-max)"],
    ]
    for name, each in summarize(load, race.runs).items():
        rate, ratio = each.events_per_s, each.ratio
        table.append(
            [
                name,
                f"{rate.median:,.0f}",
                f"({rate.min:,.0f}-{rate.max:,.0f})",
                f"{each.cpu_us.median:.2f}",
                f"{each.grown_mb.median:,.0f}",
                f"{ratio.median:.2f}",
                f"({ratio.min:.2f}-{ratio.max:.2f})",
            ]
        )
    usual = median(run.wall_s for run in baseline)
    for name, limit_s in race.unfinished.items():
        rate_below, ratio_above = load.events / limit_s, limit_s / usual
        table.append([name, f"< {rate_below:,.0f}", "", "", "", f"> {ratio_above:.2f}", ""])
    title = (
        f"{load.job}, {load.keys:,} keys: {load.events:,} events, {baseline[0].results:,} results; "
        f"median of {len(baseline)}"
    )
    ended = "".join(
        f"\n{name} was ended after {limit_s:,.0f} s" for name, limit_s in race.unfinished.items()
    )
    return f"{title}\n{aligned(table)}{ended}"


def state_document(states: Sequence[State]) -> dict[str, Any]:
    """Return medians and single measurements of the state of one job."""
    single = [asdict(state) for state in states]
    return {
        "summary": {name: asdict(Spread.of([each[name] for each in single])) for name in single[0]},
        "runs": single,
    }


def state_table(keys: int, found: Mapping[str, Sequence[State]]) -> str:
    """Return a table of the states of all jobs."""
    table = [
        ["", "bytes/key", "stored bytes/key", "snapshot s", "commit s", "load s", "restore s"],
    ]
    for job, states in found.items():
        medians = {
            name: figures["median"] for name, figures in state_document(states)["summary"].items()
        }
        table.append(
            [
                job,
                f"{medians['bytes_per_key']:,.0f}",
                f"{medians['stored_bytes_per_key']:,.0f}",
                *(f"{medians[f'{step}_s']:.2f}" for step in _STEPS),
            ]
        )
    rounds = len(next(iter(found.values())))
    return f"state of {keys:,} keys; median of {rounds}\n{aligned(table)}"


_STEPS = ("snapshot", "commit", "load", "restore")
