"""A result as an event: its place in the outbox, its identifier, and the row that sinks see."""

from __future__ import annotations

import json

from bridge.core.events import CdcEvent, EventBatch, Operation, Position, Source, Transaction
from bridge.core.portable import from_portable, pack_batch, to_portable, unpack_batch
from bridge.core.result_event import ResultEvent
from tests.fixtures.events import USERS
from tests.fixtures.results import OTHER_STORE, STORE, make_result, result_batches


def test_its_position_is_its_number_in_the_outbox() -> None:
    assert make_result(42).position == Position(42, 0)
    assert make_result(1).position < make_result(2).position < make_result(1 << 40).position


def test_its_identifier_is_that_of_the_result_wherever_it_is_stored() -> None:
    assert make_result(3).event_id == make_result(3, source=OTHER_STORE).event_id
    assert make_result(3).event_id != make_result(4).event_id


def test_its_place_has_the_identifier_that_a_change_would_have_there() -> None:
    change = CdcEvent(Transaction(STORE, 5, 42, 0), 0, 0, Operation.READ, USERS, ("1", "a"), None)
    assert make_result(42).delivery_id == change.event_id
    assert Position.of_event_id(make_result(42).delivery_id) == Position(42, 0)
    assert make_result(42, source=OTHER_STORE).delivery_id != change.event_id


def test_to_sinks_it_is_an_event_of_a_table_named_after_type_and_processor() -> None:
    event = make_result(1, type="join_result", processor="paid")
    assert (event.operation, event.schema, event.table) == ("Result", "join_result", "paid")
    assert event.row_id == "7"
    assert event.transaction_id is None
    assert event.old_values is None
    assert make_result(1, key=None).row_id is None


def test_its_row_can_be_asked_like_any_other() -> None:
    values = make_result(1).new_values
    assert values is not None
    assert values.keys() == {"event_id", "row_id", "result"}
    document = values["result"]
    found = json.loads(document) if isinstance(document, str) else document
    assert found["values"] == {"revenue": "120.50"}  # type: ignore[call-overload,index]


def test_results_of_a_processor_share_their_relation() -> None:
    assert make_result(1).relation is make_result(2).relation
    assert make_result(1).relation is not make_result(1, processor="other").relation


def test_its_text_form_shows_no_values() -> None:
    assert repr(make_result(1)) == "<CdcEvent Result window_result.revenue at 0/1:0>"


def same(found: CdcEvent, event: CdcEvent) -> bool:
    assert isinstance(found, ResultEvent)
    assert isinstance(event, ResultEvent)
    members = ("event_id", "delivery_id", "position", "timestamp", "row_id", "document", "schema",
               "table", "operation")  # fmt: skip
    return found.relation is event.relation and all(
        getattr(found, name) == getattr(event, name) for name in members
    )


def test_it_survives_the_way_to_json_and_back() -> None:
    awkward = ResultEvent.of(
        Source("a/b", "sh'op"),
        1 << 40,
        id="x",
        type="window_result",
        processor='odd "näme"',
        timestamp=-5,
        row_id='["a",null]',
        members='"processor":"odd \\"näme\\"","values":{"a":"\\ud800"}',
    )
    events: list[CdcEvent] = [awkward, *(e for b in result_batches(3) for e in b.events)]
    for event in events:
        assert same(from_portable(json.loads(json.dumps(to_portable(event)))), event)
    packed = unpack_batch(pack_batch(EventBatch(events))).events
    assert all(same(*pair) for pair in zip(packed, events, strict=True))
