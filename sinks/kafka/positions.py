"""Where a sink has come to, kept by Kafka itself: a compacted topic, one key for each feed."""

from __future__ import annotations

import json
import time

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.events import Position
from sinks.base import Feed
from sinks.kafka.client import REQUEST_TIMEOUT_S, Settings, library_log
from sinks.kafka.config import TopicCreation
from sinks.kafka.errors import problem

PARTITION = 0
"""All positions are in one partition: they are few and small."""

_READ_TIMEOUT_S = 90.0
"""Another sink's transaction may stand in the way until the brokers end it, after a minute."""


def positions_topic(replication_factor: int | None) -> TopicCreation:
    """Return how the topic is made: small segments, so that soon only the newest is left."""
    return TopicCreation(
        partitions=1,
        replication_factor=replication_factor,
        config={
            "cleanup.policy": "compact",
            "segment.bytes": 8 << 20,
            "segment.ms": 3_600_000,
            "min.cleanable.dirty.ratio": 0.1,
        },
    )


def position_key(feed: Feed) -> str:
    """Return the key of a feed's position."""
    return json.dumps(
        {
            "system_identifier": feed.source.system_identifier,
            "database": feed.source.database,
            "slot": feed.slot,
            "sink": feed.name,
        },
        separators=(",", ":"),
    )


def position_body(position: Position) -> str:
    """Return what is kept under the key."""
    return json.dumps({"position": str(position)})


def read_position(settings: Settings, topic: str, feed: Feed) -> Position | None:
    """Return the position of a feed, None if there is none.

    To be called when no transaction of this sink is open. Transactions of other sinks may be: what
    was committed behind their beginning shows only when they have ended, so we wait for that.

    Raises:
        EnvironmentProblem: we may not read the topic, or it holds something else.
        Transient: no broker answers.
    """
    partition = TopicPartition(topic, PARTITION)
    key = position_key(feed).encode()
    try:
        end = _end(settings, partition)
        found: bytes | None = None
        for message_key, value in _read(settings, partition, end) if end else ():
            if message_key == key:
                found = value
    except KafkaException as error:
        raise problem(f"The topic {topic!r} could not be read", error.args[0]) from None
    if found is None:
        return None
    try:
        return Position.parse(json.loads(found)["position"])
    except (ValueError, KeyError, TypeError):
        raise EnvironmentProblem(
            f"The topic {topic!r} holds something else than a position under the key of this sink.",
            remedy="Set positions_topic to a topic that nobody else writes to.",
        ) from None


def _end(settings: Settings, partition: TopicPartition) -> int:
    """Return where the partition ends, open transactions included."""
    admin = AdminClient(settings, logger=library_log)  # it has to live until the answer is here
    asked = admin.list_offsets(
        {partition: OffsetSpec.latest()},  # type: ignore[no-untyped-call]
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=REQUEST_TIMEOUT_S,
    )
    try:
        return int(asked[partition].result(REQUEST_TIMEOUT_S * 2).offset)
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None


def _read(
    settings: Settings, partition: TopicPartition, end: int
) -> list[tuple[bytes | None, bytes | None]]:
    """Return keys and bodies of what is committed, up to ``end``."""
    consumer = Consumer(
        {
            **settings,
            "group.id": "pgbridge",  # demanded, not used: nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 50,
        },
        logger=library_log,
    )
    found: list[tuple[bytes | None, bytes | None]] = []
    deadline = time.monotonic() + _READ_TIMEOUT_S
    try:
        consumer.assign([TopicPartition(partition.topic, partition.partition, OFFSET_BEGINNING)])
        while time.monotonic() < deadline:
            for message in consumer.consume(10_000, 0.1):
                error = message.error()
                if error is None:
                    found.append((message.key(), message.value()))
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                elif (message.offset() or 0) >= end:
                    return found
    finally:
        consumer.close()
    raise Transient(
        f"The topic {partition.topic!r} could not be read to its end.",
        remedy="Another sink's transaction stands in the way; the brokers end it in time.",
    )
