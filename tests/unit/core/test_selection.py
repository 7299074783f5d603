"""What a sink gets of the stream, held against a slow and obvious description of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.core.events import (
    ABSENT,
    GAP_PREFIX,
    CdcEvent,
    Commit,
    EventBatch,
    Operation,
    PartialRow,
    Texts,
    TruncateEvent,
)
from bridge.core.relation import Relation, ReplicaIdentity
from bridge.core.selection import Columns, Filter, Renaming, Selection, Shape, Undecided
from bridge.core.table_patterns import TablePattern
from tests.fixtures.events import USERS, make_batch, make_event, make_message, make_relation

ORDERS = make_relation(
    {"region": "text", "id": "int8", "note": "text", "total": "numeric"},
    key=["id", "region"],
    schema="sales",
    table="orders",
    replica_identity=ReplicaIdentity.FULL,
)
LOG = make_relation({"line": "text", "level": "text"}, schema="sales", table="log")
RELATIONS = (USERS, ORDERS, LOG)
COLUMNS = sorted({column.name for relation in RELATIONS for column in relation.columns})
ROW_OPERATIONS = [Operation.INSERT, Operation.UPDATE, Operation.DELETE, Operation.READ]


def pattern(text: str) -> TablePattern:
    return TablePattern.parse(text, setting="tables")


def truncate(lsn: int, ordinal: int, relation: Relation) -> TruncateEvent:
    transaction = make_event(lsn).transaction
    return TruncateEvent.of(transaction, ordinal, lsn, relation, ("CASCADE",))


@st.composite
def rows(draw: st.DrawFn, relation: Relation) -> Texts:
    text = st.one_of(st.none(), st.just("7"), st.just("8"))
    row = [
        draw(text if i not in relation.key else st.sampled_from(["1", "2"]))
        for i in range(len(relation.columns))
    ]
    absent = draw(st.sets(st.sampled_from(range(len(row))), max_size=2)) - set(relation.key)
    if not absent:
        return tuple(row)
    return PartialRow(ABSENT if i in absent else text for i, text in enumerate(row))


@st.composite
def events(draw: st.DrawFn, number: int) -> CdcEvent:
    lsn, ordinal = 0x1000 + number // 3, number % 3
    kind = draw(st.sampled_from(["row", "row", "row", "truncate", "message"]))
    if kind == "message":
        return make_message(lsn)
    relation = draw(st.sampled_from(RELATIONS))
    if kind == "truncate":
        return truncate(lsn, ordinal, relation)
    operation = draw(st.sampled_from(ROW_OPERATIONS))
    new = None if operation is Operation.DELETE else draw(rows(relation))
    old = None if operation in (Operation.INSERT, Operation.READ) else draw(rows(relation))
    return make_event(lsn, ordinal, row=new, old=old, operation=operation, relation=relation)


@st.composite
def batches(draw: st.DrawFn) -> EventBatch:
    count = draw(st.integers(1, 12))
    made = [draw(events(number)) for number in range(count)]
    return EventBatch(made, [Commit(0x1000, 2, 0x1030)], 40 * count)


PATTERNS = st.lists(
    st.sampled_from(["public.users", "sales.*", "*.log", "sales.orders", "other.t"]), max_size=3
)


# Filters


@given(
    batch=batches(),
    tables=st.none() | PATTERNS,
    operations=st.none() | st.sets(st.sampled_from(Operation)),
    answers=st.none() | st.lists(st.sampled_from([True, False, None]), min_size=12, max_size=12),
)
def test_a_filter_selects_what_its_settings_name(
    batch: EventBatch,
    tables: list[str] | None,
    operations: set[Operation] | None,
    answers: list[bool | None] | None,
) -> None:
    answer_to = dict(zip(map(id, batch.events), answers or [], strict=False))
    chosen = Filter(
        tables=None if tables is None else [pattern(text) for text in tables],
        operations=operations,
        conditions=() if answers is None else (lambda event: answer_to[id(event)],),
    ).apply(batch)

    def wanted(event: CdcEvent) -> bool:
        if operations is not None and event.operation not in operations:
            return False
        if tables is not None:
            if event.operation is Operation.MESSAGE:
                if operations is None:
                    return False
            elif not any(pattern(t).matches(event.schema or "", event.table or "") for t in tables):
                return False
        if answers is None:
            return True
        held = answer_to[id(event)]
        return bool(held) or (held is None and event.operation is Operation.TRUNCATE)

    assert [id(e) for e in chosen.events] == [id(e) for e in batch.events if wanted(e)]
    assert chosen.commits is batch.commits
    assert (chosen is batch) == all(map(wanted, batch.events))
    assert chosen.size_bytes == 40 * len(chosen)


def test_the_news_of_a_gap_passes_every_filter() -> None:
    gap = make_message()
    assert gap.new is not None
    gap.new = (GAP_PREFIX, *gap.new[1:])
    nothing = Filter(
        tables=[pattern("public.users")],
        operations=[Operation.INSERT],
        conditions=[lambda event: False],
    )
    batch = EventBatch([gap, make_message(0x2000)])
    assert nothing.apply(batch).events == [gap]
    only_conditions = Filter(conditions=[lambda event: False])
    assert only_conditions.apply(batch).events == [gap]


def test_every_condition_has_to_hold() -> None:
    batch = make_batch((1, 0), (1, 1), (1, 2))
    chosen = Filter(
        conditions=[lambda event: event.ordinal > 0, lambda event: event.ordinal < 2]
    ).apply(batch)
    assert [event.ordinal for event in chosen.events] == [1]


def test_an_event_that_no_condition_can_decide_on_is_refused_or_an_error() -> None:
    def condition(event: CdcEvent) -> bool:
        if event.ordinal == 1:
            raise Undecided("division by zero")
        return True

    undecided, batch = Filter(conditions=[condition]), make_batch((1, 0), (1, 1), (1, 2))
    refused: list[tuple[CdcEvent, str]] = []
    chosen = undecided.apply(batch, lambda event, reason: refused.append((event, reason)))
    assert [event.ordinal for event in chosen.events] == [0, 2]
    assert refused == [(batch.events[1], "division by zero")]
    with pytest.raises(Undecided):
        undecided.apply(batch)


# Columns


def reshaped(
    values: Mapping[str, Any] | None, event: CdcEvent, kept: Sequence[str], names: Mapping[str, str]
) -> dict[str, Any] | None:
    if values is None:
        return None
    return {names.get(name, name): value for name, value in values.items() if name in kept}


@given(
    batch=batches(),
    named=st.sets(st.sampled_from(COLUMNS)),
    exclude=st.booleans(),
    columns_of=st.sampled_from(["sales.*", "public.users", "*"]),
    renamed=st.sets(st.sampled_from(COLUMNS)),
    rename_in=st.sampled_from(["sales.*", "public.users", "*"]),
)
def test_values_key_and_identity_of_what_is_kept_do_not_change(
    batch: EventBatch,
    named: set[str],
    exclude: bool,
    columns_of: str,
    renamed: set[str],
    rename_in: str,
) -> None:
    names = {name: f"{name} anew" for name in renamed}
    selection = Selection(
        shape=Shape(
            [Columns(tables=pattern(columns_of), names=frozenset(named), exclude=exclude)],
            [Renaming(tables=pattern(rename_in), names=names)],
        )
    )
    chosen = selection.apply(batch)
    assert chosen.commits is batch.commits
    assert len(chosen) == len(batch)
    for before, after in zip(batch.events, chosen.events, strict=True):
        schema, table = before.schema or "", before.table or ""
        relation = before.relation
        every = [column.name for column in relation.columns]
        kept, new_names = every, dict[str, str]()
        if before.operation is not Operation.MESSAGE:
            if pattern(columns_of).matches(schema, table):
                keys = {every[i] for i in relation.key}
                kept = [name for name in every if (name in named) != exclude or name in keys]
            if pattern(rename_in).matches(schema, table):
                new_names = names
        assert after.new_values == reshaped(before.new_values, before, kept, new_names)
        assert after.old_values == reshaped(before.old_values, before, kept, new_names)
        assert after.row_id == before.row_id
        assert after.event_id == before.event_id
        assert (after.lsn, after.operation) == (before.lsn, before.operation)
        assert after.unchanged == tuple(
            new_names.get(name, name) for name in before.unchanged if name in kept
        )
        changes = kept != every or any(name in new_names for name in every)
        assert (after is before) != changes
        if isinstance(before, TruncateEvent):
            assert isinstance(after, TruncateEvent)
            assert after.options == before.options
        if type(after.new) is PartialRow:
            assert after.unchanged


def test_the_first_entry_that_covers_a_table_counts() -> None:
    shape = Shape(
        [
            Columns(tables=pattern("public.users"), names=frozenset({"name"}), exclude=True),
            Columns(tables=pattern("*"), names=frozenset({"id", "name"})),
        ]
    )
    [event] = shape.apply(EventBatch([make_event()])).events
    assert event.new_values == {"id": 0}


def test_the_relation_is_derived_once() -> None:
    shape = Shape([], [Renaming(tables=pattern("*"), names={"name": "called"})])
    first, second = shape.apply(make_batch((1, 0), (1, 1))).events
    [third] = shape.apply(make_batch((2, 0))).events
    assert first.relation is second.relation is third.relation


def test_two_columns_with_one_name_are_refused() -> None:
    shape = Shape([], [Renaming(tables=pattern("*"), names={"name": "id"})])
    with pytest.raises(ConfigError, match=r"public\.users has two columns called 'id'"):
        shape.apply(make_batch((1, 0)))


def test_a_column_that_a_named_table_lacks_is_told_once() -> None:
    told: list[tuple[str, list[str]]] = []
    shape = Shape(
        [
            Columns(tables=pattern("public.users"), names=frozenset({"pasword"}), exclude=True),
            Columns(tables=pattern("sales.*"), names=frozenset({"pasword"}), exclude=True),
        ],
        [Renaming(tables=pattern("public.users"), names={"naem": "x"})],
        unknown=lambda relation, names: told.append((relation.qualified_name, list(names))),
    )
    log = make_event(0x2000, row=("a", "b"), relation=LOG)
    for batch in (make_batch((1, 0), (1, 1)), EventBatch([log])):
        assert shape.apply(batch) is batch
    assert told == [("public.users", ["pasword"]), ("public.users", ["naem"])]


def test_the_filter_sees_the_row_before_its_columns_are_left_out() -> None:
    selection = Selection(
        Filter(conditions=[lambda event: (event.new_values or {}).get("name") == "b"]),
        Shape([Columns(tables=pattern("*"), names=frozenset({"id"}))]),
    )
    [event] = selection.apply(make_batch((1, 0), (1, 1), names=["a", "b"])).events
    assert event.new_values == {"id": 1}
