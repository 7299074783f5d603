"""PostgreSQL as the judge of aggregates: the same rows give the same digits there and here."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bridge.processing.aggregates import AggregationFunction as A
from tests.fixtures.databases import Database

SPECIALS = ("NaN", "Infinity", "-Infinity")


def integers(chance: random.Random) -> list[Any]:
    return [chance.randint(-(10 ** chance.randint(1, 18)), 10 ** chance.randint(1, 18))
            for _ in range(chance.randint(0, 12))]  # fmt: skip


def numerics(chance: random.Random) -> list[Any]:
    return [
        Decimal(chance.randint(-(10**9), 10**9) * 10 ** chance.randint(0, 20)).scaleb(
            -chance.randint(0, 30)
        )
        for _ in range(chance.randint(0, 12))
    ]


def floats(chance: random.Random) -> list[Any]:
    """Return multiples of a quarter, which every way of adding gets right."""
    return [chance.randint(-(10**6), 10**6) / 4 for _ in range(chance.randint(0, 12))]


KINDS = {
    "bigint": (int, integers),
    "numeric": (Decimal, numerics),
    "double precision": (float, floats),
}

JUDGED = {
    "count(x)": A.Count("x"),
    "count(distinct x)": A.CountDistinct("x"),
    "sum(x)": A.Sum("x"),
    "avg(x)": A.Avg("x"),
    "min(x)": A.Min("x", changelog=True),
    "max(x)": A.Max("x", changelog=True),
    "percentile_cont(0.5) within group (order by x)": A.Quantile("x", 0.5),
    "percentile_cont(0.95) within group (order by x)": A.Quantile("x", 0.95),
}


@pytest.fixture
def connection(newest_database: Database) -> psycopg.Connection[Any]:
    return newest_database.connect(options="-c extra_float_digits=3")


def ours(function: A, present: list[Any], absent: list[Any]) -> Any:
    """Aggregate what is present, with other values that come and go again."""
    state = function.create()
    for sequence, value in enumerate([*absent, *present]):
        state = function.add(state, {"x": value}, (0, sequence))
    for sequence, value in enumerate(absent):
        state = function.retract(state, {"x": value}, (0, sequence))
    return function.result(state)


def digits(value: Any) -> str | None:
    """Return a value with every digit, as the server prints it."""
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    return None if value is None else str(value)


@pytest.mark.parametrize("kind", KINDS)
def test_random_rows(connection: psycopg.Connection[Any], kind: str) -> None:
    start = random.SystemRandom().getrandbits(32)
    print(f"seed {start}")
    chance = random.Random(start)
    load, values = KINDS[kind]
    query = sql.SQL("SELECT {} FROM unnest(%s::{}[]) AS x").format(
        sql.SQL(", ").join(sql.SQL("({})::text").format(sql.SQL(text)) for text in JUDGED),  # type: ignore[arg-type]
        sql.SQL(kind),  # type: ignore[arg-type]
    )
    for _ in range(150):
        present: list[Any] = [*values(chance), *[None] * chance.randint(0, 2)]
        if kind != "bigint" and not chance.randrange(5):
            present += [load(text) for text in chance.sample(SPECIALS, chance.randint(1, 2))]
        chance.shuffle(present)
        row = connection.execute(query, [[digits(value) for value in present]]).fetchone()
        assert row is not None
        absent = values(chance)
        for (text, function), theirs in zip(JUDGED.items(), row, strict=True):
            assert agree(ours(function, present, absent), theirs), (text, present)


def agree(mine: Any, theirs: str | None) -> bool:
    """Whether a value is what the server prints: to the digit, or as the same double."""
    if isinstance(mine, float) and theirs is not None:
        return mine == float(theirs) or (mine != mine and theirs == "NaN")
    return digits(mine) == theirs
