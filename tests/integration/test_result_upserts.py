"""The statements in docs/results.md keep a table of windows up to date, in whatever order results
come, and however often."""

from __future__ import annotations

import random
import re
from pathlib import Path

from psycopg.types.json import Jsonb

from bridge.processing import AggregationFunction, StreamEvent, StreamProcessor, WindowType
from bridge.processing.windows.result import WindowResult
from tests.fixtures.databases import Database

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text("utf-8")
CREATE, UPSERT = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.M | re.S)


def sessions_that_merge(choose: random.Random) -> list[WindowResult]:
    """Return results of sessions: revisions, and sessions that were taken back."""
    processor = StreamProcessor(
        WindowType.Session(10), AggregationFunction.Count(), emit="updates", out_of_orderness=200
    )
    times = [choose.randrange(200) for _ in range(40)]
    events = [StreamEvent(time % 2, time, None) for time in times]
    return processor.process_batch(events) + processor.advance(1_000)


def test_the_table_holds_what_is_true_whatever_the_order(newest_database: Database) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    results = sessions_that_merge(choose)
    assert any(result.values is None for result in results)
    expected = {(result.key, result.start): result for result in results}
    shuffled = results + choose.sample(results, len(results) // 2)
    choose.shuffle(shuffled)
    connection = newest_database.connect()
    connection.execute(CREATE)
    for result in shuffled:
        connection.execute(
            UPSERT.encode(),
            {
                "processor": result.processor,
                "key": Jsonb({"parity": result.key}),
                "start": result.start,
                "end": result.end,
                "revision": result.revision,
                "values": None if result.values is None else Jsonb(dict(result.values)),
            },
        )
    held = connection.execute(
        """SELECT (key -> 'parity')::int, window_start, window_end, "values" FROM windows"""
    ).fetchall()
    assert sorted(held, key=lambda row: row[:2]) == [
        (key, start, result.end, result.values) for (key, start), result in sorted(expected.items())
    ]
