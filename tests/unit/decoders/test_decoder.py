"""The decoder proper: frames of protocol version 1 to events."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from bridge.core.errors import DecodeError
from bridge.core.events import Commit, Operation, Position, Source
from decoders.decoder import PgOutputDecoder
from tests.fixtures.frames import FrameWriter, RelationFrame
from tests.unit.decoders.test_fuzz_parse import mutate

SOURCE = Source("7300000000000000001", "shop")
USERS = RelationFrame(oid=16400, table="users", columns=(("id", 20, True), ("name", 25, False)))
MUTATIONS = 100_000
MUTATIONS_TRACED = 5_000  # tracing allocations is four times as slow
MEMORY_LIMIT_BYTES = 4_000_000


@pytest.fixture
def decoder() -> PgOutputDecoder:
    return PgOutputDecoder(SOURCE)


def one_transaction(frames: FrameWriter, commit_lsn: int = 0x2000) -> list[bytes]:
    return [
        frames.begin(commit_lsn, xid=7),
        frames.relation(USERS),
        frames.insert(USERS, ["1", "Ada"]),
        frames.insert(USERS, ["2", None]),
        frames.commit(commit_lsn),
    ]


def test_a_transaction_becomes_events_with_its_position(decoder: PgOutputDecoder) -> None:
    batch = decoder.feed(one_transaction(FrameWriter()))
    assert [event.position for event in batch.events] == [Position(0x2000, 0), Position(0x2000, 1)]
    first, second = batch.events
    assert first.operation is Operation.INSERT
    assert (first.schema, first.table, first.row_id) == ("public", "users", "1")
    assert first.new_values == {"id": 1, "name": "Ada"}
    assert second.new_values == {"id": 2, "name": None}
    assert first.old_values is None
    assert first.transaction_id == "7"
    assert batch.commits == [Commit(0x2000, 1, 0x2030)]
    assert not decoder.in_transaction


def test_a_transaction_may_span_batches(decoder: PgOutputDecoder) -> None:
    events = []
    for frame in one_transaction(FrameWriter()):
        batch = decoder.feed([frame])
        events += batch.events
    assert [event.ordinal for event in events] == [0, 1]


def test_an_open_transaction_is_known(decoder: PgOutputDecoder) -> None:
    decoder.feed(one_transaction(FrameWriter())[:-1])
    assert decoder.in_transaction


def test_an_empty_transaction_has_no_last_ordinal(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    batch = decoder.feed([frames.begin(0x2000), frames.commit(0x2000)])
    assert batch.commits == [Commit(0x2000, None, 0x2030)]


@pytest.mark.parametrize("text", ["", "a", "\\303"])
def test_a_char_beyond_ascii_of_an_old_server_becomes_what_newer_ones_print(
    decoder: PgOutputDecoder, text: str
) -> None:
    frames = FrameWriter()
    table = RelationFrame(oid=16401, table="t", columns=(("c", 18, False), ("d", 18, False)))
    printed = frames.insert(table, ["?", text]).replace(b"\x01?", b"\x01\xc3")
    batch = decoder.feed([frames.begin(0x2000), frames.relation(table), printed])
    assert [event.new for event in batch.events] == [("\\303", text)]


def test_a_text_that_is_not_utf_8_is_an_error(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    damaged = frames.insert(USERS, ["1", "?"]).replace(b"\x01?", b"\x01\xc3")
    with pytest.raises(DecodeError, match="UTF-8"):
        decoder.feed([frames.begin(0x2000), frames.relation(USERS), damaged])


def test_an_update_of_the_key_carries_the_old_key_only(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    batch = decoder.feed(
        [
            frames.begin(0x2000),
            frames.relation(USERS),
            frames.update(USERS, ["2", "Ada"], old=["1", None], old_kind="K"),
            frames.commit(0x2000),
        ]
    )
    (event,) = batch.events
    assert event.old_values == {"id": 1}
    assert event.new_values == {"id": 2, "name": "Ada"}
    assert event.row_id == "2"


def test_a_delete_is_known_by_its_key(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    batch = decoder.feed(
        [
            frames.begin(0x2000),
            frames.relation(USERS),
            frames.delete(USERS, ["1", None], old_kind="K"),
            frames.commit(0x2000),
        ]
    )
    (event,) = batch.events
    assert event.operation is Operation.DELETE
    assert event.new_values is None
    assert event.old_values == {"id": 1}
    assert event.row_id == "1"


def test_an_unchanged_column_is_absent_and_named(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    batch = decoder.feed(
        [frames.begin(0x2000), frames.relation(USERS), frames.update(USERS, ["1", ...])]
    )
    (event,) = batch.events
    assert event.new_values == {"id": 1}
    assert event.unchanged == ("name",)


def test_under_full_identity_the_old_row_fills_what_was_unchanged(
    decoder: PgOutputDecoder,
) -> None:
    full = RelationFrame(
        oid=16401, table="notes", columns=(("id", 20, True), ("text", 25, True)), identity="f"
    )
    frames = FrameWriter()
    batch = decoder.feed(
        [
            frames.begin(0x2000),
            frames.relation(full),
            frames.update(full, ["2", ...], old=["1", "long"], old_kind="O"),
        ]
    )
    (event,) = batch.events
    assert event.new_values == {"id": 2, "text": "long"}
    assert event.unchanged == ()
    assert event.old_values == {"id": 1, "text": "long"}


def test_values_of_every_length_are_whole(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    texts = ["", "x", "é" * 127, "x" * 255, "x" * 256, "ü" * 40_000]
    rows = [frames.insert(USERS, [str(i), text]) for i, text in enumerate(texts)]
    batch = decoder.feed([frames.begin(0x2000), frames.relation(USERS), *rows])
    assert [event.new_values["name"] for event in batch.events if event.new_values] == texts


def test_a_truncate_is_one_event_for_each_table(decoder: PgOutputDecoder) -> None:
    other = RelationFrame(oid=16402, table="orders", columns=(("id", 20, True),))
    frames = FrameWriter()
    batch = decoder.feed(
        [
            frames.begin(0x2000),
            frames.relation(USERS),
            frames.relation(other),
            frames.truncate([16400, 16402], options=3),
            frames.insert(other, ["1"]),
            frames.commit(0x2000),
        ]
    )
    assert [(e.operation.value, e.table, e.ordinal) for e in batch.events] == [
        ("Truncate", "users", 0),
        ("Truncate", "orders", 1),
        ("Insert", "orders", 2),
    ]
    assert batch.events[0].options == ("CASCADE", "RESTART IDENTITY")  # type: ignore[attr-defined]
    assert batch.commits == [Commit(0x2000, 2, 0x2030)]


def test_messages_inside_and_outside_transactions(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    batch = decoder.feed(
        [
            frames.message(0x1FF0, "job", b"\xff", transactional=False),
            frames.begin(0x1FF0),
            frames.message(0x1FE0, "job", b"{}", transactional=True),
            frames.commit(0x1FF0),
        ]
    )
    outside, inside = batch.events
    assert outside.position == Position(0x1FF0, -1)
    assert outside.position < inside.position
    assert outside.event_id != inside.event_id
    assert outside.new_values == {
        "prefix": "job",
        "content": "\\xff",
        "encoding": "hex",
        "transactional": False,
    }
    assert inside.new_values == {
        "prefix": "job",
        "content": "{}",
        "encoding": "utf8",
        "transactional": True,
    }
    assert batch.commits == [Commit(0x1FF0, -1, 0x1FF0), Commit(0x1FF0, 0, 0x2020)]


@pytest.mark.parametrize(
    ("resume", "seen"),
    [
        (None, [(0x2000, 0), (0x2000, 1), (0x3000, 0), (0x3000, 1)]),
        (Position(0x1000, 9), [(0x2000, 0), (0x2000, 1), (0x3000, 0), (0x3000, 1)]),
        (Position(0x2000, 0), [(0x2000, 1), (0x3000, 0), (0x3000, 1)]),
        (Position(0x2000, 1), [(0x3000, 0), (0x3000, 1)]),
        (Position(0x3000, 0), [(0x3000, 1)]),
        (Position(0x3000, 1), []),
    ],
)
def test_what_was_seen_is_skipped_and_nothing_else(
    resume: Position | None, seen: list[tuple[int, int]]
) -> None:
    decoder = PgOutputDecoder(SOURCE, resume=resume)
    frames = FrameWriter()
    batch = decoder.feed(one_transaction(frames, 0x2000) + one_transaction(frames, 0x3000))
    assert [tuple(event.position) for event in batch.events] == seen
    assert [commit.last_ordinal for commit in batch.commits] == [1, 1]


def test_skipping_ends_for_good(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    decoder.start_stream(Position(0x2000, 1))
    decoder.feed(one_transaction(frames, 0x3000))
    assert len(decoder.feed(one_transaction(frames, 0x2000))) == 2


def test_a_relation_that_changes_shape_inside_a_transaction(decoder: PgOutputDecoder) -> None:
    wider = RelationFrame(oid=16400, table="users", columns=(*USERS.columns, ("age", 23, False)))
    frames = FrameWriter()
    batch = decoder.feed(
        [
            frames.begin(0x2000),
            frames.relation(USERS),
            frames.insert(USERS, ["1", "Ada"]),
            frames.relation(wider),
            frames.insert(wider, ["2", "Bob", "7"]),
        ]
    )
    first, second = batch.events
    assert first.new_values == {"id": 1, "name": "Ada"}
    assert second.new_values == {"id": 2, "name": "Bob", "age": 7}


def test_a_new_connection_announces_its_relations(decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    decoder.feed(one_transaction(frames))
    decoder.start_stream(None)
    with pytest.raises(DecodeError, match="does not fit"):
        decoder.feed([frames.begin(0x3000), frames.insert(USERS, ["1", "Ada"])])


@pytest.mark.parametrize(
    "name",
    [
        "row before begin",
        "row of an unknown relation",
        "row with another number of columns",
        "commit of another transaction",
        "begin in a transaction",
        "message that was not asked for",
        "no XLogData frame",
    ],
)
def test_a_stream_out_of_order_is_a_typed_error(name: str, decoder: PgOutputDecoder) -> None:
    frames = FrameWriter()
    begin, relation = frames.begin(0x2000), frames.relation(USERS)
    stream = {
        "row before begin": [relation, frames.insert(USERS, ["1", "Ada"])],
        "row of an unknown relation": [begin, frames.insert(USERS, ["1", "Ada"])],
        "row with another number of columns": [begin, relation, frames.insert(USERS, ["1"])],
        "commit of another transaction": [begin, frames.commit(0x2001)],
        "begin in a transaction": [begin, frames.begin(0x3000)],
        "message that was not asked for": [frames.frame(b"E")],
        "no XLogData frame": [b"k" + bytes(17)],
    }[name]
    with pytest.raises(DecodeError) as caught:
        decoder.feed(stream)
    assert caught.value.context


def test_every_truncation_of_a_row_is_a_typed_error() -> None:
    frames = FrameWriter()
    row = frames.update(USERS, ["2", "Ada"], old=["1", None], old_kind="K")
    for end in range(25, len(row)):
        decoder = PgOutputDecoder(SOURCE)
        with pytest.raises(DecodeError):
            decoder.feed([frames.begin(0x2000), frames.relation(USERS), row[:end]])


def test_mutated_frames_give_events_or_a_typed_error() -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    source = random.Random(seed)
    frames = FrameWriter()
    originals = [
        *one_transaction(frames),
        frames.update(USERS, ["2", ...], old=["1", None], old_kind="K"),
        frames.delete(USERS, ["1", "x" * 300], old_kind="O"),
        frames.truncate([16400], options=1),
        frames.message(0x1FE0, "job", b"{}", transactional=True),
    ]
    decoded = 0

    def mutate_and_decode(count: int) -> None:
        nonlocal decoded
        for _ in range(count):
            decoder = _in_transaction()
            data = mutate(source, source.choice(originals)[25:])
            try:
                decoded += _is_event(decoder, frames.frame(data))
            except Exception as error:
                raise AssertionError(f"seed {seed}, message {data.hex()}: {error!r}") from error

    mutate_and_decode(MUTATIONS)
    tracemalloc.start()
    try:
        mutate_and_decode(MUTATIONS_TRACED)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"{decoded} of {MUTATIONS + MUTATIONS_TRACED} were messages; peak {peak} bytes")
    assert peak < MEMORY_LIMIT_BYTES, seed


_TEMPLATE = PgOutputDecoder(SOURCE)


def _in_transaction() -> PgOutputDecoder:
    frames = FrameWriter()
    _TEMPLATE.start_stream(None)
    _TEMPLATE.feed([frames.begin(0x2000), frames.relation(USERS)])
    return _TEMPLATE


def _is_event(decoder: PgOutputDecoder, frame: bytes) -> bool:
    """Decode a frame and look at everything of its events. False for a typed error."""
    try:
        for event in decoder.feed([frame]).events:
            assert event.event_id
            assert event.new_values is not None or event.old_values is not None or event.table
    except DecodeError as error:
        if not 0 <= error.offset <= len(frame):
            raise AssertionError("the error points outside of the message") from error
        return False
    return True
