"""Positions, identifiers and what an event tells of its row."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.events import (
    ABSENT,
    CdcEvent,
    Commit,
    EventBatch,
    Operation,
    PartialRow,
    Position,
    Source,
    Transaction,
    TruncateEvent,
)
from bridge.core.relation import Relation
from tests.fixtures.events import (
    OTHER_SOURCE,
    SOURCE,
    TIMESTAMP,
    USERS,
    make_batch,
    make_event,
    make_message,
    make_relation,
    make_transaction,
    positions,
    whole_transaction,
)

LSNS = st.integers(0, (1 << 64) - 1)
ORDINALS = st.integers(0, (1 << 32) - 2)
SOURCES = st.builds(Source, st.integers(1, 1 << 63).map(str), st.text(min_size=1, max_size=20))


# Positions


@given(LSNS, st.integers(-1, (1 << 32) - 1))
def test_a_position_survives_its_text_form(lsn: int, ordinal: int) -> None:
    assert Position.parse(str(Position(lsn, ordinal))) == Position(lsn, ordinal)


def test_the_text_form_of_a_position() -> None:
    assert str(Position(0x16B374D848, 3)) == "16/B374D848:3"


@given(LSNS, ORDINALS | st.just(-1), SOURCES)
def test_an_event_id_holds_the_position(lsn: int, ordinal: int, source: Source) -> None:
    event = make_event(lsn, ordinal, row=("1", "x"), source=source)
    assert Position.of_event_id(event.event_id) == Position(lsn, ordinal)


@pytest.mark.parametrize("text", ["", "7", "00000016-b374-4d84-a381-992e00000003", "00000016" * 4])
def test_other_texts_are_no_event_ids(text: str) -> None:
    with pytest.raises(ValueError, match="not an event_id"):
        Position.of_event_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "16/B374D848",
        "16/B374D848:",
        ":3",
        "16:3",
        "16/B3:x",
        "16/B3:+3",
        "16/B3:1_0",
        "16/B3:-2",
    ],
)
def test_other_texts_are_refused_with_the_form_that_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a position: .*expected the form 16/B374D848:3"):
        Position.parse(text)


def test_a_message_outside_transactions_stands_before_the_transaction_at_its_border() -> None:
    assert make_message(0x2000).position < make_event(0x2000, 0).position
    assert make_event(0x1FFF, 9).position < make_message(0x2000).position


# Identifiers


def test_the_event_id_never_changes() -> None:
    event = make_event(0x16B374D848, 3, source=Source("7412345678901234567", "shop"))
    assert event.event_id == "00000016-b374-8d84-a381-992e00000003"


@given(SOURCES, LSNS, ORDINALS)
def test_the_event_id_is_a_uuid_of_version_8(source: Source, lsn: int, ordinal: int) -> None:
    text = make_event(lsn, ordinal, source=source).event_id
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert parsed.version == 8
    assert parsed.variant == uuid.RFC_4122


@given(st.tuples(LSNS, ORDINALS), st.tuples(LSNS, ORDINALS))
def test_event_ids_sort_like_positions(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = make_event(*one), make_event(*other)
    assert (first.event_id < second.event_id) == (first.position < second.position)
    assert (first.event_id == second.event_id) == (first.position == second.position)


def test_neighbouring_positions_have_ids_of_their_own() -> None:
    ids = {
        make_event(lsn, ordinal).event_id
        for lsn in (0, 1, 15, 16, 1 << 32, 1 << 60, (1 << 64) - 1)
        for ordinal in (0, 1, 15, 16, 1 << 16, (1 << 32) - 2)
    }
    assert len(ids) == 7 * 6


def test_another_database_gives_other_ids_at_the_same_position() -> None:
    assert make_event(source=SOURCE).event_id != make_event(source=OTHER_SOURCE).event_id


def test_a_message_shares_its_id_with_no_event_at_the_same_lsn() -> None:
    message = make_message(0x2000)
    assert uuid.UUID(message.event_id).version == 8
    assert message.event_id.endswith("ffffffff")
    assert message.event_id.startswith(make_transaction(0x2000).id_prefix)


# What an event tells


def test_an_insert_tells_the_row_its_key_and_its_transaction() -> None:
    event = make_event(0x1000, 2, row=("7", None))
    assert event.operation is Operation.INSERT
    assert (event.schema, event.table, event.row_id) == ("public", "users", "7")
    assert event.new_values == {"id": 7, "name": None}
    assert event.old_values is None
    assert event.unchanged == ()
    assert event.timestamp == TIMESTAMP
    assert event.transaction_id == str(event.transaction.xid)
    assert event.commit_lsn == 0x1000
    assert event.position == Position(0x1000, 2)


def test_a_column_that_was_not_sent_is_named_and_has_no_value() -> None:
    event = make_event(row=PartialRow(("7", ABSENT)), operation=Operation.UPDATE)
    assert event.new_values == {"id": 7}
    assert event.unchanged == ("name",)


def test_a_delete_tells_the_key_of_the_row_that_was() -> None:
    event = make_event(old=PartialRow(("7", ABSENT)), operation=Operation.DELETE)
    assert event.row_id == "7"
    assert event.new_values is None
    assert event.old_values == {"id": 7}
    assert event.unchanged == ()


def test_an_update_that_changes_the_key_has_the_new_one() -> None:
    event = make_event(row=("8", "x"), old=PartialRow(("7", ABSENT)), operation=Operation.UPDATE)
    assert event.row_id == "8"
    assert event.old_values == {"id": 7}


def test_a_key_that_was_not_sent_is_taken_from_the_old_row() -> None:
    event = make_event(
        row=PartialRow((ABSENT, "x")), old=PartialRow(("7", ABSENT)), operation=Operation.UPDATE
    )
    assert event.row_id == "7"
    pairs = make_relation({"a": "text", "b": "text", "c": "text"}, key=["a", "b"])
    event = make_event(
        row=PartialRow((ABSENT, "new", "x")),
        old=PartialRow(("long", "before", ABSENT)),
        operation=Operation.UPDATE,
        relation=pairs,
    )
    assert event.row_id == '["long","new"]'


def test_a_key_that_nobody_sent_is_none() -> None:
    event = make_event(row=PartialRow((ABSENT, "x")), operation=Operation.UPDATE)
    assert event.row_id is None


def test_a_truncate_has_no_row() -> None:
    event = TruncateEvent.of(make_transaction(0x1000), 0, 0xFF8, USERS, ("CASCADE",))
    assert event.operation is Operation.TRUNCATE
    assert (event.row_id, event.new_values, event.old_values) == (None, None, None)
    assert event.options == ("CASCADE",)


def test_outside_transactions_there_is_no_transaction_id() -> None:
    assert Transaction(SOURCE, None, 0x1000, TIMESTAMP).xid is None
    assert make_message().transaction_id is None


def test_the_repr_of_an_event_shows_no_values() -> None:
    event = make_event(0x16B374D848, 3, row=("1", "secret"), old=("1", "secret too"))
    assert repr(event) == "<CdcEvent Insert public.users at 16/B374D848:3>"


# Batches


@given(st.integers(0, 12), st.integers(0x0FFF, 0x1003), st.integers(-1, 5))
def test_after_keeps_exactly_the_later_events(count: int, lsn: int, ordinal: int) -> None:
    spots = [(0x1000 + i // 4, i % 4) for i in range(count)]
    batch = make_batch(*spots, commits=[Commit(0x1000, 3, 0x1030)])
    rest = batch.after(Position(lsn, ordinal))
    assert positions([rest]) == [Position(*spot) for spot in spots if spot > (lsn, ordinal)]
    assert rest.commits == batch.commits
    assert rest.size_bytes <= batch.size_bytes
    assert (rest is batch) == (len(rest) == len(batch))


def test_a_batch_is_encoded_once_for_each_format() -> None:
    batch = whole_transaction(0x1000, 3)
    seen: list[CdcEvent] = []

    def encode(event: CdcEvent) -> str:
        seen.append(event)
        return str(event.position)

    first = batch.encoded("short", lambda relation: encode)
    assert batch.encoded("short", lambda relation: encode) is first
    assert seen == batch.events
    assert batch.encoded("other", lambda relation: repr) == [repr(e) for e in batch.events]


def test_a_batch_asks_for_an_encoder_where_the_relation_changes() -> None:
    first, second = make_relation({"id": "int8"}), make_relation({"id": "int8"})
    relations = [first, first, second, first]
    batch = EventBatch([make_event(relation=relation) for relation in relations])
    asked: list[Relation] = []

    def encoder(relation: Relation) -> Callable[[CdcEvent], str]:
        asked.append(relation)
        return lambda event: str(relations.index(event.relation))

    assert batch.encoded("place", encoder) == ["0", "0", "2", "0"]
    assert asked == [first, second, first]


def test_the_last_position_of_a_batch_is_that_of_its_last_event() -> None:
    assert whole_transaction(0x1000, 3).last == Position(0x1000, 2)
    assert len(EventBatch([])) == 0
