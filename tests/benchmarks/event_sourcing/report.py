"""From rates to medians, ratios and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from tests.benchmarks.event_sourcing.measure import BASELINES
from tests.benchmarks.figures import Spread, aligned

Runs = Mapping[str, Sequence[Mapping[str, float]]]
"""Name of a contestant to the rates of its rounds, by job."""


def medians(runs: Runs) -> dict[str, dict[str, Spread]]:
    """Return job to the rates of each contestant."""
    jobs = next(iter(runs.values()))[0]
    return {
        job: {name: Spread.of([each[job] for each in own]) for name, own in runs.items()}
        for job in jobs
    }


def ratios(runs: Runs) -> dict[str, dict[str, Spread]]:
    """Return job to how many times as fast as each contestant its baseline is.

    The median is the ratio of the medians, the extremes are those of the ratios within one round.
    """
    found: dict[str, dict[str, Spread]] = {}
    for job in next(iter(runs.values()))[0]:
        found[job] = {}
        for baseline, others in BASELINES.items():
            for name in others:
                if name not in runs or baseline not in runs:
                    continue
                own = [each[job] for each in runs[name]]
                base = [each[job] for each in runs[baseline]]
                rounds = [one / other for one, other in zip(base, own, strict=True)]
                ratio = median(base) / median(own)
                found[job][name] = Spread(median=ratio, min=min(rounds), max=max(rounds))
    return found


def document(runs: Runs) -> dict[str, Any]:
    """Return medians, ratios and single runs."""
    return {
        "rates": _plain(medians(runs)),
        "ratios": _plain(ratios(runs)),
        "runs": {name: [dict(each) for each in own] for name, own in runs.items()},
    }


def table(runs: Runs) -> str:
    """Return a table with a part for each job."""
    times = ratios(runs)
    rows = [["", "a second", "(min-max)", "pgbridge is", "(min-max)"]]
    for job, rates in medians(runs).items():
        rows.append([f"{job}:", "", "", "", ""])
        for name, rate in rates.items():
            ratio = times[job].get(name)
            rows.append(
                [
                    f"  {name}",
                    f"{rate.median:,.0f}",
                    f"({rate.min:,.0f}-{rate.max:,.0f})",
                    f"{ratio.median:.2f}x" if ratio else "",
                    f"({ratio.min:.2f}-{ratio.max:.2f})" if ratio else "",
                ]
            )
    return aligned(rows)


def _plain(found: Mapping[str, Mapping[str, Spread]]) -> dict[str, dict[str, Any]]:
    return {job: {name: asdict(s) for name, s in own.items()} for job, own in found.items()}
