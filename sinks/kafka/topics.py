"""The topics of a cluster: whether they are there, and making those that are not."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from bridge.core.errors import BridgeError
from sinks.kafka.client import REQUEST_TIMEOUT_S, Connection, Settings, library_log
from sinks.kafka.config import TopicCreation
from sinks.kafka.errors import DENIED, UNKNOWN_TOPIC, problem
from sinks.kafka.messages import safe_topic

_APPEARS_WITHIN_S = 5.0
_SOON_S = 1.0
"""Brokers with ``auto.create.topics.enable`` make a topic when it is asked for."""
_CHECK_TIMEOUT_S = 1.0
_LOOK_AGAIN_S = 0.05


class Topics:
    """The topics that were found to be there, for as long as a connection lives.

    Args:
        connection: to ask with.
        settings: for a client that makes topics.
        creation: how topics are made; None if they are not.
    """

    def __init__(
        self, connection: Connection, settings: Settings, creation: TopicCreation | None
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._creation = creation
        self._known: dict[str, str] = {}

    @property
    def known(self) -> dict[str, str]:
        """What a template gave, to the name of a topic that is there."""
        return self._known

    def admit(self, name: str) -> str:
        """Return the topic for what a template gave; make it if need be.

        Raises:
            EnvironmentProblem: we may not use it, or not make it.
            Transient: there is no such topic, or no broker answers.
        """
        topic = safe_topic(name)
        error = self._error(topic, _SOON_S if self._creation is None else 0)
        if error is not None and error.code() in UNKNOWN_TOPIC and self._creation is not None:
            create_topic(self._settings, topic, self._creation)
            error = self._error(topic, _APPEARS_WITHIN_S)
        if error is not None:
            raise problem(f"The topic {topic!r} cannot be used", error)
        self._known[name] = topic
        return topic

    def check(self) -> None:
        """See whether a topic has gone away, which the client library notices late or never.

        Raises:
            Transient: one of them is not there any more.
        """
        try:
            there = self._connection.metadata(None, _CHECK_TIMEOUT_S).topics
        except BridgeError:
            return  # that no broker answers is not the question here
        for topic in self._known.values():
            if topic not in there:
                error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
                raise problem(f"The topic {topic!r} has gone away", error)

    def missing(self, name: str) -> bool:
        """Return whether there is no topic for what a template gave."""
        error = self._error(safe_topic(name), _SOON_S)
        return error is not None and error.code() in UNKNOWN_TOPIC

    def _error(self, topic: str, patience_s: float) -> KafkaError | None:
        """Ask for a topic; again for a while if it is not there, or nobody leads it yet."""
        deadline = time.monotonic() + patience_s
        while True:
            error = self._connection.topic(topic).error
            if error is None or error.code() in DENIED or time.monotonic() >= deadline:
                return error
            time.sleep(_LOOK_AGAIN_S)


def create_topic(settings: Settings, topic: str, creation: TopicCreation) -> None:
    """Make a topic; it may be there already.

    Raises:
        EnvironmentProblem: we may not, or the cluster does not want it so.
        Transient: no broker answers.
    """
    new = NewTopic(
        topic,
        num_partitions=creation.partitions or -1,
        replication_factor=creation.replication_factor or -1,
        config={name: _text(value) for name, value in creation.config.items()},
    )
    admin = AdminClient(settings, logger=library_log)
    try:
        admin.create_topics([new], operation_timeout=REQUEST_TIMEOUT_S)[topic].result(
            REQUEST_TIMEOUT_S * 2
        )
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise problem(f"The topic {topic!r} could not be made", error.args[0]) from None
    except TimeoutError:
        raise problem(
            f"The topic {topic!r} could not be made", KafkaError(KafkaError._TIMED_OUT)
        ) from None


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
