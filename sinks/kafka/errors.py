"""What follows from an error of Kafka: stop, try again, or refuse one event."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

from bridge.core.errors import BridgeError, EnvironmentProblem, Transient

REFUSED: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})
"""Errors of a message itself: no repetition helps."""

PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._FATAL})
"""Errors of messages that something else has brought down."""

DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
    }
)
"""Errors that an operator has to solve."""

UNKNOWN_TOPIC: Final = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
)

FENCED: Final = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    }
)

_STOP: Final = frozenset(
    {
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError._INVALID_ARG,
    }
)


def problem(doing: str, error: KafkaError) -> BridgeError:
    """Return the error of ours for an error of Kafka's.

    Args:
        doing: what did not succeed: "Topic 'orders' could not be made".
        error: as librdkafka gave it; it holds no values of rows.
    """
    code, said = error.code(), f"{error.str()} ({error.name()})"
    message = f"{doing}: {said}."
    if code in DENIED:
        return EnvironmentProblem(
            message, remedy="Check the settings sasl and tls, and the rights of the account."
        )
    if code in _STOP:
        return EnvironmentProblem(message)
    if code in FENCED:
        return Transient(
            message,
            remedy="Another process has taken over the transactional_id, or a transaction took "
            "longer than transaction_timeout_ms.",
        )
    if code in UNKNOWN_TOPIC:
        return Transient(message, remedy="Create the topic, or set create_topics.")
    return Transient(message)
