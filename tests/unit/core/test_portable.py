"""Events survive the way to JSON and back: same texts, same marks, same relation, same identity."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.events import (
    ABSENT,
    NON_TRANSACTIONAL,
    CdcEvent,
    Commit,
    EventBatch,
    Operation,
    PartialRow,
    Source,
    Texts,
    Transaction,
    TruncateEvent,
)
from bridge.core.portable import (
    NotPortable,
    from_portable,
    pack_batch,
    to_portable,
    unpack_batch,
)
from bridge.core.relation import Column, Relation, ReplicaIdentity
from bridge.core.values import ColumnForm, Form
from decoders.logical_message import MESSAGE_RELATION
from tests.fixtures.events import make_relation

_UINT64 = st.integers(0, 2**64 - 1)
# Whatever a text of any encoding may hold, including halves of surrogate pairs.
_TEXTS = st.text(st.characters(codec=None), max_size=20)
_FORMS = st.builds(
    ColumnForm,
    st.sampled_from([form for form in Form if form is not Form.ARRAY]),
) | st.builds(
    ColumnForm, st.just(Form.ARRAY), st.sampled_from([Form.INTEGER, Form.TEXT]), st.just(";")
)

_OF_ROWS = [operation for operation in Operation if operation is not Operation.RESULT]


@st.composite
def relations(draw: st.DrawFn) -> Relation:
    names = draw(st.lists(_TEXTS, max_size=5, unique=True))
    return Relation(
        oid=draw(st.integers(0, 2**32 - 1)),
        schema=draw(_TEXTS),
        table=draw(_TEXTS),
        replica_identity=draw(st.sampled_from(ReplicaIdentity)),
        columns=tuple(
            Column(
                name=name,
                type_oid=draw(st.integers(0, 2**32 - 1)),
                type_modifier=draw(st.integers(-1, 2**31 - 1)),
                in_identity=draw(st.booleans()),
                form=draw(_FORMS),
            )
            for name in names
        ),
        primary_key=tuple(draw(st.sets(st.sampled_from(names)))) if names else (),
    )


@st.composite
def rows(draw: st.DrawFn, relation: Relation) -> Texts | None:
    if draw(st.booleans()):
        return None
    texts = [draw(st.none() | _TEXTS | st.just("\0absent")) for _ in relation.columns]
    if draw(st.booleans()):
        return tuple(texts)
    return PartialRow(ABSENT if draw(st.booleans()) else text for text in texts)


@st.composite
def batches(draw: st.DrawFn) -> EventBatch:
    sources = [Source("7", "shop"), Source(draw(st.text()), draw(st.text()))]
    transactions = [
        Transaction(
            draw(st.sampled_from(sources)),
            draw(st.none() | st.integers(0, 2**32 - 1)),
            draw(_UINT64),
            draw(st.integers(-(2**63), 2**63 - 1)),
        )
        for _ in range(3)
    ]
    tables = [*draw(st.lists(relations(), min_size=1, max_size=3)), MESSAGE_RELATION]
    events: list[CdcEvent] = []
    for _ in range(draw(st.integers(0, 8))):
        transaction, relation = draw(st.sampled_from(transactions)), draw(st.sampled_from(tables))
        ordinal, lsn = draw(st.integers(NON_TRANSACTIONAL, 2**32 - 1)), draw(_UINT64)
        operation = draw(st.sampled_from(_OF_ROWS))
        if operation is Operation.TRUNCATE:
            options = draw(st.sampled_from([(), ("CASCADE",), ("CASCADE", "RESTART IDENTITY")]))
            events.append(TruncateEvent.of(transaction, ordinal, lsn, relation, options))
        else:
            new, old = draw(rows(relation)), draw(rows(relation))
            events.append(CdcEvent(transaction, ordinal, lsn, operation, relation, new, old))
    commits = draw(
        st.lists(st.builds(Commit, _UINT64, st.none() | st.integers(0, 2**32), _UINT64), max_size=3)
    )
    return EventBatch(events, commits, draw(st.integers(0, 2**40)))


def marks(row: Texts | None) -> object:
    """Return what distinguishes rows: the texts, the type, and which marks are the mark itself."""
    return None if row is None else (type(row), list(row), [text is ABSENT for text in row])


def description(relation: Relation) -> object:
    return (
        relation.oid,
        relation.schema,
        relation.table,
        relation.replica_identity,
        relation.columns,
        relation.key,
    )


def assert_same(found: CdcEvent, event: CdcEvent) -> None:
    assert type(found) is type(event)
    assert found.event_id == event.event_id
    assert (found.position, found.lsn, found.operation) == (
        event.position,
        event.lsn,
        event.operation,
    )
    assert (found.transaction_id, found.timestamp) == (event.transaction_id, event.timestamp)
    assert found.transaction.source == event.transaction.source
    assert description(found.relation) == description(event.relation)
    assert marks(found.new) == marks(event.new)
    assert marks(found.old) == marks(event.old)
    assert getattr(found, "options", None) == getattr(event, "options", None)


@given(batches())
def test_each_event_survives_alone(batch: EventBatch) -> None:
    for event in batch.events:
        assert_same(from_portable(json.loads(json.dumps(to_portable(event)))), event)


@given(batches())
def test_a_batch_survives_packed(batch: EventBatch) -> None:
    found = unpack_batch(pack_batch(batch))
    assert len(found) == len(batch)
    for one, other in zip(found.events, batch.events, strict=True):
        assert_same(one, other)
    assert list(found.commits) == list(batch.commits)
    assert found.size_bytes == batch.size_bytes


def pack_inserts(relation: Relation, rows: Sequence[Texts]) -> EventBatch:
    transaction = Transaction(Source("7", "shop"), 5, 0x10, 0)
    events = [
        CdcEvent(transaction, i, 0x10, Operation.INSERT, relation, row, None)
        for i, row in enumerate(rows)
    ]
    return unpack_batch(pack_batch(EventBatch(events)))


def test_events_of_a_batch_share_their_relation_and_transaction_again() -> None:
    relation = make_relation({"id": "int8"}, key=["id"])
    first = pack_inserts(relation, [("1",), ("2",)])
    assert first.events[0].relation is first.events[1].relation
    assert first.events[0].transaction is first.events[1].transaction


def test_batches_share_relations_so_that_encoders_are_made_once() -> None:
    one = pack_inserts(make_relation({"id": "int8"}, key=["id"]), [("1",)])
    two = pack_inserts(make_relation({"id": "int8"}, key=["id"]), [("2",)])
    other = pack_inserts(make_relation({"id": "int4"}, key=["id"]), [("2",)])
    assert one.events[0].relation is two.events[0].relation
    assert one.events[0].relation is not other.events[0].relation


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b'{"version":2}', b"null", pack_batch(EventBatch([]))[:-1]],
)
def test_bytes_of_something_else_are_refused(data: bytes) -> None:
    with pytest.raises(NotPortable):
        unpack_batch(data)


@pytest.mark.parametrize("document", [{}, {"version": 2}, {"version": 1, "source": "x"}])
def test_a_document_of_something_else_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(NotPortable):
        from_portable(document)
