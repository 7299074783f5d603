"""The form in which events are messages of a stream."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.records import NewEvent, Recorded
from bridge.runtime.eventstores.jetstream.messages import (
    Message,
    decode,
    encode,
    headers,
    parse_headers,
)
from bridge.runtime.eventstores.jetstream.names import aggregate_of, key_of

TEXTS = st.text(st.characters(), max_size=40)  # surrogates too
EVENTS = st.builds(
    NewEvent,
    event_id=st.uuids().map(str),
    event_type=TEXTS,
    version=st.integers(1, 2**31),
    timestamp=st.integers(-(2**63), 2**63 - 1),
    data=TEXTS.map(lambda text: json.dumps({"text": text}, ensure_ascii=False)),
    metadata=st.just("{}"),
)


@given(TEXTS, TEXTS)
def test_the_subject_of_an_aggregate_tells_which_it_is(kind: str, one: str) -> None:
    key = key_of(kind, one)

    assert re.fullmatch(r"[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+", key)
    assert aggregate_of(f"events.event.{key}") == (kind, one)


def test_an_id_that_no_subject_can_hold_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidInput, match="too long") as caught:
        key_of("Account", "ключ" * 400)
    assert "ключ" not in str(caught.value)


@given(st.lists(EVENTS, min_size=1, max_size=5), st.integers(1, 2**30), st.integers(1, 2**40))
def test_events_come_back_in_the_order_of_their_places(
    events: list[NewEvent], first: int, place: int
) -> None:
    subject = f"events.event.{key_of('Account', 'DE.42')}"

    found = decode(Message(place, subject, headers(first, len(events)), encode(events)))

    assert [event.sequence for event in found] == [first + n for n in range(len(events))]
    assert [NewEvent(*event[4:]) for event in found] == events
    assert {event[1:3] for event in found} == {("Account", "DE.42")}
    places = [event.global_sequence for event in found]
    assert places == sorted(set(places))
    (later,) = decode(Message(place + 1, subject, headers(1, 1), encode(events[:1])))
    assert isinstance(later, Recorded)
    assert later.global_sequence > places[-1]


@pytest.mark.parametrize("body", [b"", b"hello", b"{}", b"[1]", b'[["too", "short"]]', b"\xff"])
def test_a_message_of_another_form_is_damage_that_shows_no_content(body: bytes) -> None:
    for fields in ({}, headers(1, 1)):
        with pytest.raises(EnvironmentProblem, match="Message 7 of") as caught:
            decode(Message(7, "events.event.Account.1", fields, body))
        assert "hello" not in str(caught.value)


def test_headers_are_read_as_the_server_stores_them() -> None:
    raw = b'NATS/1.0\r\nPgbridge-First: 3\r\nPgbridge-Progress: ["a:b", "0/1:2", "x"]\r\n\r\n'

    assert parse_headers(raw) == {
        "Pgbridge-First": "3",
        "Pgbridge-Progress": '["a:b", "0/1:2", "x"]',
    }
    assert parse_headers(b"") == {}
