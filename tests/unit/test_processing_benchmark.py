"""The jobs of the benchmark of stream processing give what the list of their events gives."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest

from tests.benchmarks.processing import measure
from tests.benchmarks.processing.answers import Answer, Digest
from tests.benchmarks.processing.bridge_engine import Bridge
from tests.benchmarks.processing.jobs import (
    DISORDER,
    GAP,
    HALF,
    MINUTE,
    SLIDE,
    Job,
    Load,
    Row,
    rows,
)
from tests.benchmarks.processing.report import race_table, summarize
from tests.benchmarks.processing.run import BRIDGE, Run, run


def by_key(events: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in events:
        found[row.key].append(row)
    return found


def tumbling(events: list[Row]) -> list[Answer]:
    counts = Counter((row.key, row.timestamp // MINUTE * MINUTE) for row in events)
    return [(*window, count) for window, count in counts.items()]


def sliding(events: list[Row]) -> list[Answer]:
    amounts: dict[Any, list[int]] = defaultdict(list)
    for row in events:
        last = row.timestamp // SLIDE * SLIDE
        for start in range(last, row.timestamp - MINUTE, -SLIDE):
            amounts[row.key, start].append(row.amount)
    return [(*window, sum(found) / len(found)) for window, found in amounts.items()]


def session(events: list[Row]) -> list[Answer]:
    answers: list[Answer] = []
    for key, own in by_key(events).items():
        times = sorted(row.timestamp for row in own)
        breaks = [n for n in range(1, len(times)) if times[n] - times[n - 1] > GAP]
        for begin, end in zip([0, *breaks], [*breaks, len(times)], strict=True):
            answers.append((key, end - begin))
    return answers


def join(events: list[Row]) -> list[Answer]:
    return [
        (key, left.amount, right.amount)
        for key, own in by_key(events).items()
        for left in own
        for right in own
        if left.left and not right.left and abs(left.timestamp - right.timestamp) <= HALF
    ]


BY_HAND = {Job.TUMBLING: tumbling, Job.SLIDING: sliding, Job.SESSION: session, Job.JOIN: join}


class ByHand(Bridge):
    """Not an engine: its results are answers already."""

    def answers(self, load: Load, results: Any) -> Any:
        return results


@pytest.mark.parametrize("job", Job)
@pytest.mark.parametrize("keys", [1, 50])
def test_a_job_gives_what_the_list_of_its_events_gives(job: Job, keys: int) -> None:
    load = Load(job, keys, events=2_000)
    expected = Digest(ByHand(), load)
    expected.take(BY_HAND[job](list(rows(load))))

    found = run(BRIDGE, load, check=True)

    assert found.results > 0
    assert (found.results, found.digest) == (expected.count, expected.total)
    assert run(BRIDGE, load, check=False).results == expected.count


@pytest.mark.parametrize("job", Job)
def test_events_are_the_same_each_time_and_never_late(job: Job) -> None:
    load = Load(job, keys=7, events=25_000)
    events = list(rows(load))

    assert events == list(rows(load))
    newest = 0
    for row in events:
        newest = max(newest, row.timestamp)
        assert row.timestamp >= newest - DISORDER
        assert row.timestamp % MINUTE < HALF


def test_a_digest_depends_on_every_part_of_an_answer_but_not_on_their_order() -> None:
    def total(*answers: Answer) -> int:
        digest = Digest(ByHand(), Load(Job.TUMBLING, 1, 1))
        digest.take(answers)
        return digest.total

    assert total(("a", 0, 1), ("b", 0, 2)) == total(("b", 0, 2.0), ("a", 0, 1))
    assert (
        len({total(("a", 0, 1)), total(("b", 0, 1)), total(("a", 1, 1)), total(("a", 0, 2))}) == 4
    )


@pytest.mark.parametrize(
    ("differs", "check"),
    [({"digest": 8}, True), ({"results": 4}, True), ({"results": 4, "digest": None}, False)],
)
def test_a_job_is_void_if_an_engine_gives_another_answer(
    monkeypatch: pytest.MonkeyPatch, differs: dict[str, Any], check: bool
) -> None:
    def process(module: str, engine: str, *arguments: str, limit_s: float) -> dict[str, Any]:
        checking = "--check" in arguments
        same = {"wall_s": 1.0, "cpu_s": 1.0, "grown_mb": 1.0, "results": 3}
        same["digest"] = 7 if checking else None
        return same | differs if engine == "other" and checking is check else same

    monkeypatch.setattr(measure, "_process", process)
    monkeypatch.setattr(measure, "engines", lambda: {BRIDGE: BRIDGE, "other": "other"})

    with pytest.raises(measure.Void, match="tumbling-count with 5 keys gave different answers"):
        measure.race(Load(Job.TUMBLING, 5, 10), repeat=1, note=lambda line: None)


def test_an_engine_that_takes_too_long_is_left_out_and_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def process(module: str, engine: str, *arguments: str, limit_s: float) -> dict[str, Any]:
        if engine == "other":
            raise measure.OutOfTime(f"{engine} was not done after {limit_s:.0f} s.")
        digest = 7 if "--check" in arguments else None
        return {"wall_s": 2.0, "cpu_s": 2.0, "grown_mb": 1.0, "results": 3, "digest": digest}

    monkeypatch.setattr(measure, "_process", process)
    monkeypatch.setattr(measure, "engines", lambda: {BRIDGE: BRIDGE, "other": "other"})
    load = Load(Job.SLIDING, 5, 1_000)

    outcome = measure.race(load, repeat=2, note=lambda line: None, limit_s=50.0)

    assert (list(outcome.runs), outcome.unfinished) == ([BRIDGE], {"other": 50.0})
    line = next(line for line in race_table(load, outcome).splitlines() if "other" in line)
    assert line.split() == ["other", "<", "20", ">", "25.00"]


def test_the_ratio_is_to_the_first_engine_of_the_same_round() -> None:
    def runs(*seconds: float) -> list[Run]:
        return [
            Run(wall_s=wall, cpu_s=wall, grown_mb=1.0, results=1, digest=None) for wall in seconds
        ]

    found = summarize(
        Load(Job.TUMBLING, 1, 1_000), {"one": runs(1.0, 2.0, 4.0), "other": runs(3.0, 4.0, 8.0)}
    )

    assert (found["one"].ratio.median, found["one"].events_per_s.median) == (1.0, 500.0)
    ratio = found["other"].ratio
    assert (ratio.median, ratio.min, ratio.max) == (2.0, 2.0, 3.0)
