"""Segments give back what was put into them, and no byte of them can change unseen."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.archive.encoding import encode_segment
from bridge.eventsourcing.archive.reader import SegmentReader, read_presence
from bridge.eventsourcing.archive.verification import events_in, faults_of
from bridge.eventsourcing.records import Recorded
from tests.unit.eventsourcing.archive.stores import MemoryFiles, fill, memory_storage

IDENTITY = "0123456789abcdef"
texts = st.text(st.characters(), max_size=8)
ids = st.text(st.characters(codec="utf-8"), max_size=8)  # others are refused before


def some_events(count: int) -> list[Recorded]:
    storage = memory_storage()
    fill(storage, random.Random(count), count)
    return storage.read_all(0, count)


@st.composite
def recorded(draw: st.DrawFn) -> list[Recorded]:
    """Draw events in global order, with gaps in it."""
    events, place = [], 0
    sequences: dict[tuple[str, str], int] = {}
    for _ in range(draw(st.integers(1, 30))):
        place += draw(st.integers(1, 2**40))
        key = draw(st.tuples(st.sampled_from("AB"), ids))
        sequences[key] = sequences.get(key, draw(st.integers(0, 9))) + 1
        rest = draw(st.tuples(st.uuids().map(str), texts, st.integers(1, 2**31), st.integers()))
        events.append(Recorded(place, *key, sequences[key], *rest, draw(texts), draw(texts)))
    return events


@settings(max_examples=60, deadline=None)
@given(recorded(), st.integers(1, 2000), st.data())
def test_a_segment_gives_back_its_events(
    events: list[Recorded], block_bytes: int, data: st.DataObject
) -> None:
    segment, content = encode_segment(IDENTITY, events, block_bytes)
    files = MemoryFiles()
    files.write(segment.name, content)
    reader = SegmentReader(segment, files)
    after = data.draw(st.sampled_from([0, *(event.global_sequence for event in events)]))
    one = data.draw(st.sampled_from(events))
    key = one.aggregate_type, one.aggregate_id

    def read(numbers: "object") -> list[Recorded]:
        return [event for number in numbers for event in reader.block(number)]  # type: ignore[attr-defined]

    assert (segment.first, segment.last) == (events[0].global_sequence, events[-1].global_sequence)
    assert (segment.events, segment.size) == (len(events), len(content))
    assert events_in(segment.name, content) == events
    assert faults_of(segment, files) == []
    behind = [event for event in events if event.global_sequence > after]
    assert set(behind) <= set(read(reader.blocks(after)))
    assert {e for e in behind if e.event_type == one.event_type} <= set(
        read(reader.blocks_of_type(one.event_type, after))
    )
    assert {
        e
        for e in events
        if (e.aggregate_type, e.aggregate_id) == key and e.sequence >= one.sequence
    } <= set(read(reader.blocks_of_aggregate(key, one.sequence - 1)))
    presence = read_presence(segment, files)
    assert all(presence.of_event(event.event_id) for event in events)
    assert all(presence.of_aggregate((e.aggregate_type, e.aggregate_id)) for e in events)
    assert not presence.of_event("00000000-0000-0000-0000-000000000000")
    assert not presence.of_aggregate(("C", key[1]))


def test_the_same_events_give_the_same_file() -> None:
    assert encode_segment(IDENTITY, some_events(40)) == encode_segment(IDENTITY, some_events(40))


def test_every_flipped_bit_is_found() -> None:
    segment, content = encode_segment(IDENTITY, some_events(20), block_bytes=900)
    files = MemoryFiles()
    for at in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[at] ^= 1 << bit
            files.write(segment.name, bytes(damaged))
            with pytest.raises(EnvironmentProblem):  # also without what was registered
                events_in(segment.name, bytes(damaged))
            if bit == at % 8:
                assert len(faults_of(segment, files)) == 2, (at, bit)


def test_a_file_that_was_cut_or_grew_is_found() -> None:
    segment, content = encode_segment(IDENTITY, some_events(20), block_bytes=900)
    files = MemoryFiles()
    for damaged in (*(content[:length] for length in range(len(content))), content + b"\0"):
        files.write(segment.name, damaged)
        assert len(faults_of(segment, files)) == 3
        if len(damaged) < len(content):
            with pytest.raises(EnvironmentProblem, match="is damaged at byte"):
                SegmentReader(segment, files)


def test_other_events_than_those_that_were_registered_are_found() -> None:
    segment, content = encode_segment(IDENTITY, some_events(20))
    files = MemoryFiles()
    files.write(segment.name, content)
    for wrong in (segment._replace(first=2), segment._replace(last=21), segment._replace(events=3)):
        assert faults_of(wrong, files) == ["It holds other events than it was registered with."]


def test_reading_names_the_file_and_the_place_and_no_value() -> None:
    segment, content = encode_segment(IDENTITY, some_events(20), block_bytes=900)
    damaged = bytearray(content)
    damaged[40] ^= 4
    files = MemoryFiles()
    files.write(segment.name, bytes(damaged))
    reader = SegmentReader(segment, files)  # footer and index are whole
    with pytest.raises(EnvironmentProblem) as caught:
        reader.block(0)
    assert caught.value.message == f"The archived segment {segment.name} is damaged at byte 8."
    assert "backup" in caught.value.remedy
    assert reader.block(1)
