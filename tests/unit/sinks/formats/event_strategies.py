"""Relations and events of every kind, with what a reader gets of their values."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow
from bridge.core.relation import Relation, ReplicaIdentity
from tests.fixtures.events import make_event, make_relation

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=12) | st.text(st.sampled_from("'\"\\{}N%\n\r\t, \u2028"))
NAMES = st.text(CHARACTERS, min_size=1, max_size=8) | st.text(
    st.sampled_from("'\"\\{}N!:=() \u2028"), min_size=1, max_size=8
)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: f"{d:f}")
INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)

Sample = tuple[str, Any]


def documents(value: Any) -> Sample:
    return json.dumps(value, ensure_ascii=False, indent=1), value


def int_array(items: list[int | None]) -> Sample:
    return "{" + ",".join("NULL" if i is None else str(i) for i in items) + "}", items


SAMPLES: dict[str, st.SearchStrategy[Sample]] = {
    "int8": INTEGERS.map(lambda i: (str(i), i)),
    "bool": st.booleans().map(lambda b: ("t" if b else "f", b)),
    "numeric": (NUMBERS | st.just("NaN")).map(lambda text: (text, text)),
    "float8": st.sampled_from([("0.5", 0.5), ("1e+20", 1e20), ("Infinity", "Infinity")]),
    "text": TEXTS.map(lambda text: (text, text)),
    "bytea": st.binary(max_size=5).map(lambda b: (f"\\x{b.hex()}", f"\\x{b.hex()}")),
    "timestamptz": st.just(("2024-02-29 12:34:56.7+00", "2024-02-29T12:34:56.7Z")),
    "uuid": st.uuids().map(lambda u: (str(u), str(u))),
    "jsonb": JSON_VALUES.map(documents),
    "_int4": st.lists(st.none() | st.integers(-9, 9), max_size=4).map(int_array),
    "tsrange": st.just(('["2020-01-01 00:00:00",)', '["2020-01-01 00:00:00",)')),
}
"""For each type texts of the server, and what a reader of the JSON gets."""

Row = tuple[Sample | str | None, ...]


@st.composite
def relations(draw: st.DrawFn) -> tuple[Relation, list[str]]:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    types = [draw(st.sampled_from(sorted(SAMPLES))) for _ in names]
    key = draw(st.lists(st.sampled_from(names), unique=True, max_size=3))
    relation = make_relation(
        dict(zip(names, types, strict=True)),
        key=key,
        schema=draw(NAMES),
        table=draw(NAMES),
        replica_identity=draw(st.sampled_from(ReplicaIdentity)),
    )
    return relation, types


@st.composite
def rows(draw: st.DrawFn, types: list[str], *, partial: bool) -> Row:
    def column(name: str) -> Sample | str | None:
        choices: list[st.SearchStrategy[Any]] = [st.none(), SAMPLES[name]]
        return draw(st.one_of(*choices, *([st.just(ABSENT)] if partial else [])))

    return tuple(map(column, types))


def texts_of(row: Row) -> tuple[str | None, ...]:
    texts = (column[0] if isinstance(column, tuple) else column for column in row)
    return PartialRow(texts) if any(column is ABSENT for column in row) else tuple(texts)


def expected_values(relation: Relation, row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        c.name: column[1] if isinstance(column, tuple) else None
        for c, column in zip(relation.columns, row, strict=True)
        if column is not ABSENT
    }


def expected_nulls(relation: Relation, member: str, row: Row | None) -> list[str]:
    names = (c.name for c in relation.columns)
    return [f"{member}.{n}" for n, c in zip(names, row or (), strict=False) if c == ("null", None)]


@st.composite
def events(draw: st.DrawFn) -> tuple[CdcEvent, Row | None, Row | None]:
    relation, types = draw(relations())
    operation = draw(st.sampled_from(["Insert", "Update", "Delete", "Read"]))
    new = old = None
    if operation != "Delete":
        new = draw(rows(types, partial=operation == "Update"))
    if operation == "Delete" or (operation == "Update" and draw(st.booleans())):
        old = draw(rows(types, partial=True))
    event = make_event(
        draw(st.integers(8, (1 << 64) - 1)),
        draw(st.integers(0, (1 << 32) - 1)),
        operation=Operation(operation),
        relation=relation,
        row=None if new is None else texts_of(new),
        old=None if old is None else texts_of(old),
    )
    return event, new, old
