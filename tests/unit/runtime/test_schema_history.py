"""The forms of tables are stored once, where they begin, before anything goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import EventBatch, Position, Source
from bridge.core.table_schema import Compatibility
from bridge.runtime.schema_history import SchemaHistory
from bridge.runtime.state import StateStore
from decoders.decoder import PgOutputDecoder
from tests.fixtures.frames import FrameWriter, RelationFrame

OLD = RelationFrame(oid=16400, table="users", columns=(("id", 23, True), ("name", 25, False)))
NEW = RelationFrame(oid=16400, table="users", columns=(("id", 23, True), ("full", 25, False)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    with StateStore(tmp_path) as store:
        yield store


def open_history(
    store: StateStore, system_identifier: str = "7", required: str = "none"
) -> SchemaHistory:
    return SchemaHistory(store.file, system_identifier, "shop", required=Compatibility(required))


def transaction(frames: FrameWriter, commit_lsn: int, *tables: RelationFrame) -> list[bytes]:
    rows = [(frames.relation(table), frames.insert(table, ["1", "Ada"])) for table in tables]
    body = [frame for pair in rows for frame in pair]
    return [frames.begin(commit_lsn), *body, frames.commit(commit_lsn)]


def stream(history: SchemaHistory, *transactions: tuple[int, RelationFrame]) -> EventBatch:
    """Decode transactions on a new connection."""
    decoder = PgOutputDecoder(Source("7", "shop"), watch=history)
    frames = FrameWriter()
    found = [transaction(frames, commit_lsn, table) for commit_lsn, table in transactions]
    return decoder.feed([frame for frames in found for frame in frames])


def told(history: SchemaHistory, table: str = "public.users") -> list[tuple[str, list[str]]]:
    return [
        (str(version.form.position), [change.text for change in version.changes])
        for version in history.versions(table)
    ]


def test_a_form_is_stored_where_it_begins(store: StateStore) -> None:
    with capture_logs() as logs:
        stream(open_history(store), (0x2000, OLD), (0x3000, OLD), (0x4000, NEW))

    history = open_history(store)
    assert told(history) == [("0/2000:0", []), ("0/4000:0", ["renamed name to full"])]
    first, second = history.versions("public.users")
    assert [column.type for column in first.form.schema.columns] == ["int4", "text"]
    assert (first.compatibility, second.compatibility) == (None, Compatibility.NONE)
    assert [(entry["table"], entry["version"]) for entry in logs] == [("public.users", 2)]


def test_a_form_is_the_last_one_for_who_is_behind_its_first_row(store: StateStore) -> None:
    old, new = stream(open_history(store), (0x2000, OLD), (0x4000, NEW)).events
    history = open_history(store)
    assert history.is_last(new.relation, after=new.position)
    assert not history.is_last(new.relation, after=old.position)  # another old one may come
    assert not history.is_last(new.relation, after=None)
    assert not history.is_last(old.relation, after=new.position)
    other = open_history(store, system_identifier="8")
    assert not other.is_last(new.relation, after=new.position)


def test_a_form_is_on_the_disk_before_its_first_row_is_handed_out(
    store: StateStore, tmp_path: Path
) -> None:
    frames = FrameWriter()
    decoder = PgOutputDecoder(Source("7", "shop"), watch=open_history(store))

    decoder.feed([frames.begin(0x2000), frames.relation(OLD)])

    with StateStore(tmp_path, exclusive=False) as other:
        assert told(open_history(other)) == [("0/2000:0", [])]


def test_what_comes_again_is_stored_once(store: StateStore) -> None:
    for _ in range(2):
        for first in range(3):
            transactions = [(0x2000, OLD), (0x3000, OLD), (0x4000, NEW), (0x5000, NEW)]
            stream(open_history(store), *transactions[first:])

    assert told(open_history(store)) == [
        ("0/2000:0", []),
        ("0/4000:0", ["renamed name to full"]),
    ]


def test_a_form_within_a_transaction_begins_at_its_own_change(store: StateStore) -> None:
    history = open_history(store)
    decoder = PgOutputDecoder(Source("7", "shop"), watch=history)

    decoder.feed(transaction(FrameWriter(), 0x2000, OLD, NEW))

    assert [place for place, _ in told(history)] == ["0/2000:0", "0/2000:1"]


def test_a_table_with_another_name_goes_on_from_the_one_before(store: StateStore) -> None:
    people = RelationFrame(oid=16400, table="people", columns=OLD.columns)
    history = open_history(store)
    stream(history, (0x2000, OLD), (0x3000, people))

    assert told(history, "public.people") == [("0/3000:0", ["table renamed from public.users"])]
    assert history.tables() == ("public.people", "public.users")


def test_each_database_has_its_own_history(store: StateStore) -> None:
    stream(open_history(store), (0x2000, OLD))

    assert open_history(store, "8").tables() == ()


def test_a_change_that_leaves_less_than_required_stops_before_its_first_row(
    store: StateStore,
) -> None:
    stream(open_history(store), (0x2000, OLD))
    for _ in range(2):  # it is refused after a restart, too
        with pytest.raises(
            EnvironmentProblem,
            match=r"public\.users changed .* renamed name to full\. .* none, .* asks for backward",
        ):
            stream(open_history(store, required="backward"), (0x2000, OLD), (0x3000, NEW))
    assert len(told(open_history(store))) == 1

    stream(open_history(store), (0x3000, NEW))
    stream(open_history(store, required="backward"), (0x4000, NEW))
    assert len(told(open_history(store))) == 2


def test_existing_rows_begin_the_history(store: StateStore) -> None:
    history = open_history(store)
    rows = stream(SchemaHistory(store.file, "9", "other"), (0x2000, OLD), (0x2100, OLD))
    batches = [EventBatch([event]) for event in rows.events]

    assert list(history.watching(batches)) == batches
    stream(history, (0x3000, OLD))

    assert told(history) == [(str(Position(0x2000, 0)), [])]
