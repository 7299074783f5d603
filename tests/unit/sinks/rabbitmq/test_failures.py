"""What the words of a broker mean: retry, or stop with a sentence."""

from __future__ import annotations

import errno
import ssl

import pika.exceptions as pika_errors
import pytest

from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from sinks.rabbitmq.config import RabbitMqConfig
from sinks.rabbitmq.failures import channel_failure, connection_failure, too_large
from sinks.rabbitmq.url import AmqpUrl

CONFIG = RabbitMqConfig(url=AmqpUrl("amqp://app:c4nary@mq.example.com/shop"))


def closed(code: int, text: str) -> pika_errors.ConnectionClosedByBroker:
    return pika_errors.ConnectionClosedByBroker(code, text)


def while_opening(error: Exception) -> pika_errors.AMQPConnectionError:
    """Return what pika makes of an error before the connection is open."""
    return pika_errors.AMQPConnectionError(pika_errors.ProbableAuthenticationError(repr(error)))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (while_opening(closed(403, "ACCESS_REFUSED - Login was refused")), EnvironmentProblem,
         "refuses the login of 'app'"),
        (closed(530, "NOT_ALLOWED - vhost shop not found"), EnvironmentProblem,
         "has no virtual host 'shop'"),
        (closed(530, "NOT_ALLOWED - access to vhost 'shop' refused for user 'app'"),
         EnvironmentProblem, "does not let 'app' into the virtual host 'shop'"),
        (closed(530, "NOT_ALLOWED - access to vhost 'shop' refused for user 'app': vhost 'shop' is"
                " down"), Transient, "is down"),
        (closed(530, "NOT_ALLOWED - access to vhost 'shop' refused for user 'app': connection limit"
                " (2) is reached"), Transient, "limit"),
        (closed(320, "CONNECTION_FORCED - broker\nforced it."), Transient, ": broker forced it."),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), Transient,
         "connection refused"),
        (pika_errors.StreamLostError("Transport indicated EOF"), Transient, "was lost"),
        (pika_errors.AMQPHeartbeatTimeout("idle"), Transient, "heartbeat_seconds"),
        (pika_errors.ConnectionBlockedTimeout("blocked"), Transient, "blocked_timeout_seconds"),
        (ssl.SSLEOFError(8, "EOF occurred"), Transient, "eof occurred"),
    ],
)  # fmt: skip
def test_the_end_of_a_connection(error: Exception, kind: type[BridgeError], words: str) -> None:
    found = connection_failure(error, CONFIG)
    assert type(found) is kind
    assert words in found.message
    assert "mq.example.com:5672" in found.message
    assert "c4nary" not in str(found)


@pytest.mark.parametrize(
    ("code", "text", "at_the_start", "later"),
    [
        (404, "NOT_FOUND - no exchange 'x' in vhost '/'", EnvironmentProblem, Transient),
        (403, "ACCESS_REFUSED - write access refused", EnvironmentProblem, EnvironmentProblem),
        (406, "PRECONDITION_FAILED - inequivalent arg", EnvironmentProblem, EnvironmentProblem),
        (406, "PRECONDITION_FAILED - message size 9 is larger than max size 5", Transient,
         Transient),
        (541, "INTERNAL_ERROR", Transient, Transient),
    ],
)  # fmt: skip
def test_the_end_of_a_channel(
    code: int, text: str, at_the_start: type[BridgeError], later: type[BridgeError]
) -> None:
    error = pika_errors.ChannelClosedByBroker(code, text)
    assert type(channel_failure(error, CONFIG, starting=True)) is at_the_start
    assert type(channel_failure(error, CONFIG, starting=False)) is later


def test_the_size_that_a_broker_takes_is_read_from_its_words() -> None:
    said = "PRECONDITION_FAILED - message size 134217729 is larger than configured max size 512"
    assert too_large(pika_errors.ChannelClosedByBroker(406, said)) == 512
    assert too_large(pika_errors.ChannelClosedByBroker(406, "PRECONDITION_FAILED")) is None
    assert too_large(closed(320, said)) is None
