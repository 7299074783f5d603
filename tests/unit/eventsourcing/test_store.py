"""The event store: what it takes, what it gives, and what it says about bad input."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import pytest

from bridge.core.errors import ConfigError, EnvironmentProblem
from bridge.eventsourcing import (
    ANY,
    NO_STREAM,
    STREAM_EXISTS,
    AmbiguousAggregate,
    ConcurrencyConflict,
    DomainEvent,
    EventStore,
    EventStoreConfig,
    InvalidInput,
    MemoryStorage,
    MissingUpcaster,
    Snapshot,
    UnknownAggregate,
    Upcasters,
)
from bridge.eventsourcing.records import NewEvent, Recorded, SnapshotRecord, Write

SECRET = "4711-secret"


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage("a1" * 16)


@pytest.fixture
def store(storage: MemoryStorage) -> EventStore:
    return EventStore(storage, EventStoreConfig(snapshot_interval=10, max_events_in_memory=3))


def deposit(amount: Any = 1, *, account: str = "a-1", **others: Any) -> DomainEvent:
    event = DomainEvent.new("Account", account, "MoneyDeposited", {"amount": amount})
    return event.replace(**others)


def count(state: Any, event: DomainEvent) -> Any:
    return {"balance": state["balance"] + event.data["amount"], "last": event.sequence}


def sum_up(state: int, event: DomainEvent) -> int:
    amount: int = event.data["amount"]
    return state + amount


ZERO = {"balance": 0, "last": 0}


def test_an_event_comes_back_as_it_was_with_its_places(store: EventStore) -> None:
    event = DomainEvent(
        "0191D7E0-5F3A-7C4E-9A55-1C1F3B2A9D10",
        "a-1",
        "Account",
        "MoneyDeposited",
        2,
        1_700_000_000_000_000,
        {"amount": 5, "tags": ["x", None, {"deep": 1.5}], "ключ": True},
        metadata={"user": "ada"},
    )

    stored = store.append_event(event, NO_STREAM)

    assert stored == event.replace(event_id=event.event_id.lower(), sequence=1, global_sequence=1)
    assert list(store.get_events("a-1")) == [stored]
    assert list(store.get_events_by_type("MoneyDeposited")) == [stored]
    assert list(store.read_all()) == [stored]
    assert store.append_event(stored) == stored  # what was read may be appended again


def test_an_event_made_now_has_an_id_and_a_time_of_its_own(store: EventStore) -> None:
    one, two = store.append_events([deposit(), deposit()])

    assert one.event_id != two.event_id
    assert 0 <= two.timestamp - one.timestamp < 60_000_000
    assert one.timestamp > 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Decimal("1.50"), "1.50"),
        (10**30, 10**30),
        ((1, 2), [1, 2]),
        (MappingProxyType({"a": Decimal(1)}), {"a": "1"}),
        ("\ud800 é", "\ud800 é"),
        (-0.5, -0.5),
    ],
)
def test_data_is_what_json_says(store: EventStore, value: Any, stored: Any) -> None:
    assert store.append_event(deposit(value)).data == {"amount": stored}
    assert next(store.get_events("a-1")).data == {"amount": stored}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": {"b": [1, float("nan")]}}, r"data of MoneyDeposited, at a\.b\[1\], is not finite"),
        ({"a": float("-inf")}, "at a, is not finite"),
        ({"a": SECRET.encode()}, "at a, is of type bytes, which JSON does not have"),
        ({"a": {SECRET}}, "at a, is of type set"),
        ({"a": [{1: SECRET}]}, r"at a\[0\], has a key of type int"),
        ({"a": 10**5000}, "at a, is an integer of more than"),
        ([SECRET], "data of MoneyDeposited has to be a JSON object, and is of type list"),
        (SECRET, "has to be a JSON object, and is of type str"),
        (None, "has to be a JSON object, and is of type NoneType"),
    ],
)
def test_data_that_is_no_json_is_refused_with_its_place(
    store: EventStore, data: Any, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        store.append_event(deposit(data=data))
    with pytest.raises(InvalidInput, match=message.replace("data of", "metadata of")):
        store.append_event(deposit(metadata=data))

    assert SECRET not in str(caught.value)
    assert store.get_stats().events == 0


def test_data_that_holds_itself_is_refused(store: EventStore) -> None:
    data: dict[str, Any] = {}
    data["again"] = [data]

    with pytest.raises(InvalidInput, match="nested deeper than 100 levels"):
        store.append_event(deposit(data=data))


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (0, "The expected version 0 cannot be.*Use NO_STREAM"),
        (-1, "The expected version -1 cannot be.*Use NO_STREAM"),
        (True, "cannot be of type bool"),
        ("1", "cannot be of type str.*ANY, NO_STREAM, STREAM_EXISTS"),
        (None, "cannot be of type NoneType"),
    ],
)
def test_an_expected_version_that_cannot_be_is_an_error(
    store: EventStore, expected: Any, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        store.append_event(deposit(), expected)


def test_a_conflict_says_what_was_expected_and_what_there_is(store: EventStore) -> None:
    store.append_events([deposit(account=SECRET), deposit(account=SECRET)])

    with pytest.raises(ConcurrencyConflict) as caught:
        store.append_event(deposit(account=SECRET), 1)

    conflict = caught.value
    assert (conflict.expected, conflict.actual) == (1, 2)
    assert (conflict.aggregate_type, conflict.aggregate_id) == ("Account", SECRET)
    assert "expected version 1, but its last event has the sequence 2" in str(conflict)
    assert SECRET not in str(conflict)
    with pytest.raises(ConcurrencyConflict, match="expected version NO_STREAM"):
        store.append_event(deposit(account=SECRET), NO_STREAM)
    with pytest.raises(ConcurrencyConflict, match="STREAM_EXISTS, but it has no events"):
        store.append_event(deposit(), STREAM_EXISTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 0}, "version of an event of type MoneyDeposited has to be"),
        ({"version": True}, "version of an event"),
        ({"timestamp": 1.5}, "timestamp of an event of type MoneyDeposited"),
        ({"timestamp": 2**63}, "timestamp"),
        ({"event_id": "first"}, "event_id is not a UUID"),
        ({"event_id": None}, "event_id is not a UUID"),
        ({"event_type": ""}, "event_type has 0 characters"),
        ({"event_type": "x" * 201}, "event_type has 201 characters"),
        ({"aggregate_type": None}, "aggregate_type has to be a text"),
        ({"aggregate_id": 7}, "aggregate_id has to be a text, and is of type int"),
        ({"aggregate_id": "x" * 401}, "aggregate_id has 401 characters"),
        ({"aggregate_id": "a\0b"}, "aggregate_id has a character that cannot be stored"),
        ({"aggregate_id": "a\ud800"}, "aggregate_id has a character that cannot be stored"),
    ],
)
def test_an_event_that_no_store_takes_is_an_error(
    store: EventStore, change: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        store.append_event(deposit(**change))


def test_events_of_several_aggregates_are_no_append(store: EventStore) -> None:
    with pytest.raises(InvalidInput, match="several aggregates"):
        store.append_events([deposit(), deposit(account="a-2")])
    assert store.append_events([], 5) == []


def test_reading_begins_where_it_is_asked_to(store: EventStore) -> None:
    store.append_events([deposit(n) for n in range(1, 8)])
    store.append_event(deposit(8, account="a-2", event_type="Opened"))

    def amounts(events: Any) -> list[int]:
        return [event.data["amount"] for event in events]

    assert amounts(store.get_events("a-1")) == [1, 2, 3, 4, 5, 6, 7]
    assert amounts(store.get_events("a-1", 6)) == [6, 7]
    assert amounts(store.get_events("a-1", 9)) == []
    assert amounts(store.read_all(7)) == [7, 8]
    assert amounts(store.get_events_by_type("MoneyDeposited", 4)) == [4, 5, 6, 7]
    assert amounts(store.get_events_by_type("Opened")) == [8]
    assert amounts(store.get_events_by_type("Never")) == []


@pytest.mark.parametrize(
    "read",
    [
        lambda store, start: store.get_events("a-1", start),
        lambda store, start: store.get_events_by_type("Opened", start),
        lambda store, start: store.read_all(start),
    ],
)
@pytest.mark.parametrize("start", [0, -1, True, 1.0, None])
def test_reading_begins_at_a_sequence(
    store: EventStore, read: Callable[[EventStore, Any], object], start: Any
) -> None:
    store.append_event(deposit())

    with pytest.raises(InvalidInput, match="has to be a whole number from 1 on"):
        read(store, start)


def test_an_aggregate_that_is_not_there_is_an_error_at_once(store: EventStore) -> None:
    for ask in (
        lambda: store.get_events("a-1"),
        lambda: store.get_events("a-1", aggregate_type="Account"),
        lambda: store.rebuild_state("a-1", 0, sum_up),
        lambda: store.get_snapshot("a-1"),
        lambda: store.save_snapshot(Snapshot("a-1", "Account", 1, 1, {})),
    ):
        with pytest.raises(UnknownAggregate, match=r"has no aggregate( of type Account)? with"):
            ask()


def test_the_type_may_be_left_out_if_there_is_only_one(store: EventStore) -> None:
    store.append_event(deposit(5, account="1"))
    assert store.rebuild_state("1", 0, sum_up) == 5

    store.append_event(deposit(7, account="1", aggregate_type="Wallet"))
    with pytest.raises(AmbiguousAggregate, match="several types have this id: Account, Wallet"):
        store.get_events("1")
    assert store.rebuild_state("1", 0, sum_up, aggregate_type="Wallet") == 7


class Asked(MemoryStorage):
    """A storage that knows how many events were asked for at once, and how many it gave."""

    def __init__(self) -> None:
        super().__init__("c3" * 16)
        self.pages: list[tuple[int, int]] = []

    def read_aggregate(
        self, aggregate_type: str, aggregate_id: str, after: int, limit: int
    ) -> list[Recorded]:
        return self._page(super().read_aggregate(aggregate_type, aggregate_id, after, limit), limit)

    def read_type(self, event_type: str, after: int, limit: int) -> list[Recorded]:
        return self._page(super().read_type(event_type, after, limit), limit)

    def read_all(self, after: int, limit: int) -> list[Recorded]:
        return self._page(super().read_all(after, limit), limit)

    def _page(self, events: list[Recorded], limit: int) -> list[Recorded]:
        self.pages.append((limit, len(events)))
        return events


def test_a_reader_holds_no_more_events_than_it_may() -> None:
    storage = Asked()
    store = EventStore(storage, EventStoreConfig(max_events_in_memory=3, enable_snapshots=False))
    store.append_events([deposit() for _ in range(8)])
    for read in (
        lambda: sum(1 for _ in store.get_events("a-1")),
        lambda: sum(1 for _ in store.get_events_by_type("MoneyDeposited")),
        lambda: sum(1 for _ in store.read_all()),
        lambda: store.rebuild_state("a-1", 0, sum_up),
    ):
        storage.pages.clear()
        assert read() == 8
        assert storage.pages == [(3, 3), (3, 3), (3, 2)]
    storage.pages.clear()
    next(store.read_all())
    assert len(storage.pages) == 1  # the next page is read when it is its turn


def test_a_state_is_rebuilt_from_its_events_and_then_from_a_snapshot(store: EventStore) -> None:
    store.append_events([deposit(n) for n in range(1, 10)])
    assert store.rebuild_state("a-1", ZERO, count) == {"balance": 45, "last": 9}
    assert store.get_snapshot("a-1") is None  # nine are less than the interval

    store.append_event(deposit(10))
    assert store.rebuild_state("a-1", ZERO, count) == {"balance": 55, "last": 10}
    found = store.get_snapshot("a-1")
    assert found is not None
    assert (found.last_sequence, found.state) == (10, {"balance": 55, "last": 10})
    assert (found.aggregate_type, found.aggregate_id, found.version) == ("Account", "a-1", 1)

    store.append_event(deposit(1))
    seen: list[int] = []

    def watch(state: Any, event: DomainEvent) -> Any:
        seen.append(event.sequence)
        return count(state, event)

    watch.__module__, watch.__qualname__ = count.__module__, count.__qualname__
    assert store.rebuild_state("a-1", ZERO, watch) == {"balance": 56, "last": 11}
    assert seen == [11]


def test_a_function_does_not_start_from_the_snapshot_of_another(store: EventStore) -> None:
    store.append_events([deposit(1) for _ in range(20)])
    store.rebuild_state("a-1", ZERO, count)

    assert store.rebuild_state("a-1", 0, sum_up) == 20
    assert store.rebuild_state("a-1", 0, lambda state, event: state + 2) == 40


def test_a_snapshot_that_was_given_is_the_start_of_every_function(store: EventStore) -> None:
    store.append_events([deposit(1) for _ in range(5)])
    store.save_snapshot(Snapshot("a-1", "Account", 1, 4, Decimal(100)))

    assert store.rebuild_state("a-1", 0, lambda state, event: int(state) + 1) == 101


def test_a_snapshot_of_another_schema_is_not_used(store: EventStore) -> None:
    store.append_events([deposit(1) for _ in range(20)])
    store.save_snapshot(Snapshot("a-1", "Account", 1, 15, {"old form": 15}))

    assert store.rebuild_state("a-1", 0, sum_up, snapshot_version=2) == 20
    assert store.get_snapshot("a-1", version=1) == Snapshot(
        "a-1", "Account", 1, 15, {"old form": 15}
    )
    newer = store.get_snapshot("a-1", version=2)
    assert newer is not None
    assert newer.state == 20
    assert store.get_snapshot("a-1") == newer
    assert store.get_snapshot("a-1", version=3) is None


@pytest.mark.parametrize("state", [(1, 2), {1: 2}, Decimal(1), b"", object()])
def test_a_state_that_would_come_back_as_another_is_not_kept(store: EventStore, state: Any) -> None:
    store.append_events([deposit() for _ in range(20)])
    same = state

    def keep(_: Any, event: DomainEvent) -> Any:
        return same

    keep.__qualname__ = "keep"
    assert store.rebuild_state("a-1", None, keep) is state
    assert store.get_snapshot("a-1") is None


def test_the_initial_state_stays_as_it_is(store: EventStore) -> None:
    def collect(state: list[int], event: DomainEvent) -> list[int]:
        state.append(event.sequence)
        return state

    store.append_events([deposit(), deposit()])
    initial: list[int] = []

    assert store.rebuild_state("a-1", initial, collect) == [1, 2]
    assert store.rebuild_state("a-1", initial, collect) == [1, 2]
    assert initial == []


def test_a_store_without_snapshots_makes_and_takes_none(storage: MemoryStorage) -> None:
    store = EventStore(storage, EventStoreConfig(enable_snapshots=False, snapshot_interval=1))
    store.append_events([deposit(1), deposit(1)])
    EventStore(storage).save_snapshot(Snapshot("a-1", "Account", 1, 1, 100))

    assert store.rebuild_state("a-1", 0, sum_up) == 2
    assert storage.counts()["snapshots"] == 1
    with pytest.raises(InvalidInput, match="keeps no snapshots"):
        store.save_snapshot(Snapshot("a-1", "Account", 1, 1, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"last_sequence": 2}, "newer than its events: .* sequence 2, and the last one there is 1"),
        ({"last_sequence": 0}, "last_sequence has to be a whole number from 1 on"),
        ({"version": 0}, "version of a snapshot"),
        ({"timestamp": "now"}, "timestamp of a snapshot of Account"),
        ({"state": {"a": object()}}, "state of a snapshot of Account, at a, is of type object"),
        ({"aggregate_id": ""}, "aggregate_id has 0 characters"),
    ],
)
def test_a_snapshot_that_cannot_be_is_an_error(
    store: EventStore, change: Mapping[str, Any], message: str
) -> None:
    store.append_event(deposit())

    with pytest.raises(InvalidInput, match=message):
        store.save_snapshot(replace(Snapshot("a-1", "Account", 1, 1, {}), **change))
    assert store.get_snapshot("a-1") is None


def test_a_stored_snapshot_without_its_events_means_that_events_were_lost(
    storage: MemoryStorage, store: EventStore
) -> None:
    store.append_events([deposit(), deposit()])
    store.save_snapshot(Snapshot("a-1", "Account", 1, 2, 2))
    lost = EventStore(MemoryStorage("b2" * 16))
    lost.append_event(deposit())
    found = storage.snapshot("Account", "a-1", 1)
    assert found is not None
    lost.storage.save_snapshot(found)

    with pytest.raises(EnvironmentProblem, match=r"snapshot of Account is newer.* lost events"):
        lost.rebuild_state("a-1", 0, sum_up)


@pytest.mark.parametrize("member", ["data", "metadata"])
def test_a_stored_event_that_is_no_json_any_more_is_named_without_its_text(
    storage: MemoryStorage, store: EventStore, member: str
) -> None:
    new = NewEvent(str(uuid4()), "MoneyDeposited", 1, 1, "{}", "{}")
    broken = new._replace(**{member: f'{{"amount": {SECRET}'})
    storage.append([Write("Account", "a-1", ANY, (broken,))])
    with pytest.raises(
        EnvironmentProblem, match=r"MoneyDeposited with global sequence 1"
    ) as raised:
        list(store.read_all())
    assert SECRET not in str(raised.value)


def test_a_stored_snapshot_that_is_no_json_any_more_is_named(
    storage: MemoryStorage, store: EventStore
) -> None:
    store.append_event(deposit())
    storage.save_snapshot(SnapshotRecord("Account", "a-1", 1, 1, 1, '{"state":'))
    with pytest.raises(EnvironmentProblem, match=r"snapshot of Account at sequence 1 is damaged"):
        store.rebuild_state("a-1", 0, sum_up)


def test_events_of_older_versions_are_read_in_the_newest(storage: MemoryStorage) -> None:
    upcasters = Upcasters()
    upcasters.add("MoneyDeposited", 1, lambda data: {"cents": data["amount"] * 100})
    upcasters.add("MoneyDeposited", 2, lambda data: data | {"currency": "EUR"})
    store = EventStore(storage, upcasters=upcasters)

    store.append_event(deposit(5))

    (event,) = store.get_events("a-1")
    assert (event.version, event.data) == (3, {"cents": 500, "currency": "EUR"})
    assert json.loads(storage.read_all(0, 1)[0].data) == {"amount": 5}
    store.append_event(deposit(5, version=4))
    with pytest.raises(MissingUpcaster, match="MoneyDeposited has version 4"):
        list(store.read_all())


def test_stats_count_what_there_is(store: EventStore) -> None:
    store.append_events([deposit() for _ in range(12)])
    store.append_event(deposit(account="a-2"))
    store.rebuild_state("a-1", 0, sum_up)

    stats = store.get_stats()

    assert (stats.events, stats.aggregates, stats.snapshots) == (13, 2, 1)
    assert (stats.archived_events, stats.segments, stats.last_global_sequence) == (0, 0, 13)


def test_nothing_prints_data_or_ids(store: EventStore) -> None:
    event = store.append_event(deposit(SECRET, account=SECRET))

    assert repr(event) == "<DomainEvent MoneyDeposited v1 of a Account, sequence 1>"
    assert SECRET not in repr(Snapshot(SECRET, "Account", 1, 1, SECRET))


def test_settings_have_bounds() -> None:
    for name in ("snapshot_interval", "max_events_in_memory"):
        with pytest.raises(ConfigError, match=name):
            EventStoreConfig(**{name: 0})


def test_any_is_the_default(store: EventStore) -> None:
    store.append_event(deposit())
    assert store.append_event(deposit(), ANY).sequence == 2
    assert store.append_event(deposit()).sequence == 3


def test_what_an_append_answers_is_what_is_read(store: EventStore) -> None:
    class Shout(str):
        pass

    given = {
        "decimal": Decimal("1.50"),
        "tuple": (1, 2.5, True),
        "text": Shout("a"),
        "mapping": MappingProxyType({"deep": None}),
        "halves": "\ud83d" + "\ude00",  # two characters that JSON reads as one
    }
    event = deposit().replace(data=given, metadata=MappingProxyType({"who": Shout("ada")}))

    told = store.append_event(event)

    [read] = store.get_events("a-1")
    assert told == read
    assert type(told.data["text"]) is str
    assert type(told.metadata) is dict
    assert told == store.append_event(event.replace(data={}, metadata={}))


def test_data_that_need_no_change_are_taken_as_they_are(store: EventStore) -> None:
    deep: dict[str, Any] = {"last": 1}
    for _ in range(100):
        deep = {"next": deep}
    event = deposit().replace(data=deep)

    told = store.append_event(event.replace(event_id=event.event_id.upper()))

    assert told.data == deep
    assert told == event.replace(sequence=1, global_sequence=1)


def test_an_event_is_a_value(store: EventStore) -> None:
    event = deposit()

    assert pickle.loads(pickle.dumps(event)) == copy(event) == deepcopy(event) == event
    assert deepcopy(event).data is not event.data
    assert event != event.replace(data={})
    with pytest.raises(TypeError, match="amount"):
        event.replace(amount=1)
    assert hash(event) == hash(event.replace(data={}, metadata={"a": 1}))
    assert event.metadata == {}
    assert deposit().metadata is not event.metadata
    with pytest.raises(AttributeError):
        event.version = 2  # type: ignore[misc]
