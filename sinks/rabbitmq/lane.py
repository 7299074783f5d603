"""One connection with one channel that publishes. Everything here runs in the I/O thread."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import pika
from pika.adapters.select_connection import IOLoop, SelectConnection

from bridge.core.errors import BridgeError, ConfigError
from sinks.rabbitmq.config import RabbitMqConfig
from sinks.rabbitmq.failures import channel_failure, connection_failure
from sinks.rabbitmq.messages import CHANNEL

Step = Callable[[Callable[[Any], None]], Any]
"""Asks the broker for something, and calls back with its answer."""

_ORDERLY = "the sink is closed"


class Watcher(Protocol):
    """Who is told what happens on a lane."""

    def lane_opened(self, lane: Lane) -> None:
        """It can publish."""

    def lane_failed(self, error: BridgeError, cause: BaseException) -> None:
        """A lane is over, without having been closed by us."""

    def confirmed(self, lane: Lane, tag: int, multiple: bool) -> None:
        """The broker holds the message, or all up to it."""

    def refused(self, lane: Lane, tag: int, multiple: bool) -> None:
        """The broker does not take the message, or all up to it."""

    def returned(self, lane: Lane, message_id: str | None) -> None:
        """The message reached no queue."""

    def lane_blocked(self, lane: Lane, reason: str | None) -> None:
        """The broker takes no messages for now; it does again where the reason is None."""


class _Connection(SelectConnection):  # type: ignore[misc]
    """A connection that takes whole runs of frames."""

    def emit(self, frames: bytes) -> None:
        """Send frames that were put together elsewhere; they are ignored once it is closed."""
        if self.is_open:
            self._adapter_emit_data(frames)

    def drop(self) -> None:
        """End it at once, whatever the broker does."""
        if not self.is_closed:
            self._terminate_stream(pika.exceptions.StreamLostError(_ORDERLY))


class Lane:
    """A connection from its making to its end.

    Args:
        number: of the lane; the first one declares and checks exchange and queue.
        config: of the sink.
        parameters: of the connection.
        starting: whether the sink has never been open.
        loop: drives the connection.
        watcher: is told what happens.
    """

    def __init__(
        self,
        number: int,
        config: RabbitMqConfig,
        parameters: pika.ConnectionParameters,
        *,
        starting: bool,
        loop: IOLoop,
        watcher: Watcher,
    ) -> None:
        self.number = number
        self._config = config
        self._starting = starting
        self._watcher = watcher
        self._closing = False
        self._ended: Callable[[], None] = lambda: None
        self._channel: Any = None
        self._connection = _Connection(
            parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_connection_ended,
            on_close_callback=self._on_connection_ended,
            custom_ioloop=loop,
        )

    @property
    def frame_max(self) -> int:
        """The largest frame that the broker takes, in bytes."""
        frame_max: int = self._connection.params.frame_max
        return frame_max

    def emit(self, frames: bytes) -> None:
        """Send whole messages."""
        self._connection.emit(frames)

    def close(self, orderly: bool, ended: Callable[[], None]) -> None:
        """End the connection, and call ``ended`` when it is gone.

        Args:
            orderly: say goodbye; a broker with an alarm may not answer.
            ended: called in the I/O thread.
        """
        self._closing = True
        self._ended = ended
        if self._connection.is_closed:
            ended()
        elif orderly and self._connection.is_open:
            self._connection.close()
        else:
            self._connection.drop()

    def _on_open(self, connection: SelectConnection) -> None:
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        connection.channel(channel_number=CHANNEL, on_open_callback=self._on_channel_open)

    def _on_channel_open(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        self._go_on(self._steps(channel))

    def _steps(self, channel: Any) -> Iterator[Step]:
        if self.number == 0:
            yield from _topology(channel, self._config)
        yield partial(channel.confirm_delivery, self._on_confirm)

    def _go_on(self, steps: Iterator[Step], _answer: object = None) -> None:
        step = next(steps, None)
        if step is None:
            self._starting = False
            self._watcher.lane_opened(self)
        else:
            step(callback=partial(self._go_on, steps))  # type: ignore[call-arg]

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        if isinstance(method, pika.spec.Basic.Ack):
            self._watcher.confirmed(self, method.delivery_tag, method.multiple)
        else:
            self._watcher.refused(self, method.delivery_tag, method.multiple)

    def _on_return(self, _channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        self._watcher.returned(self, properties.message_id)

    def _on_blocked(self, _connection: Any, frame: Any) -> None:
        self._watcher.lane_blocked(self, str(frame.method.reason) or "no reason given")

    def _on_unblocked(self, _connection: Any, _frame: Any) -> None:
        self._watcher.lane_blocked(self, None)

    def _on_channel_closed(self, _channel: Any, reason: BaseException) -> None:
        if not self._closing:
            error = channel_failure(reason, self._config, starting=self._starting)
            self._watcher.lane_failed(error, reason)

    def _on_connection_ended(self, _connection: Any, reason: BaseException) -> None:
        if not self._closing:
            self._watcher.lane_failed(connection_failure(reason, self._config), reason)
        self._ended()


def _topology(channel: Any, config: RabbitMqConfig) -> Iterator[Step]:
    """Yield what declares, or looks for, exchange and queue."""
    exchange, queue, declare = config.exchange, config.queue, config.declare
    if exchange:
        yield partial(
            channel.exchange_declare,
            exchange,
            config.exchange_type,
            passive=not declare,
            durable=True,
        )
    if queue is None:
        return
    yield partial(
        channel.queue_declare,
        queue.name,
        passive=not declare,
        durable=True,
        arguments={"x-queue-type": queue.type, **queue.arguments},
    )
    if declare:
        for key in config.bindings():
            yield partial(channel.queue_bind, queue.name, exchange, key)


def connection_parameters(config: RabbitMqConfig, name: str) -> pika.ConnectionParameters:
    """Return how to connect, under a name that the broker shows.

    Raises:
        ConfigError: the files of ``tls`` or a value in ``options`` cannot be used.
    """
    address, timeout = config.address, config.connect_timeout_seconds
    properties = {"connection_name": name, "product": config.app_id}
    options = dict(config.options)
    properties |= options.pop("client_properties", None) or {}
    settings = {
        "host": address.host,
        "port": address.port,
        "virtual_host": address.vhost,
        "credentials": pika.PlainCredentials(address.user, address.password),
        "heartbeat": config.heartbeat_seconds,
        "blocked_connection_timeout": config.blocked_timeout_seconds,
        "connection_attempts": 1,
        "socket_timeout": timeout,
        "stack_timeout": timeout,
        "client_properties": properties,
        "ssl_options": _tls(config) if address.secure else None,
        **options,
    }
    try:
        return pika.ConnectionParameters(**settings)
    except (TypeError, ValueError):
        raise ConfigError(
            "options has a value that pika does not accept.",
            remedy=f"Check the values of: {', '.join(sorted(config.options))}.",
        ) from None


def _tls(config: RabbitMqConfig) -> pika.SSLOptions:
    tls = config.tls
    try:
        context = ssl.create_default_context(cafile=tls.ca_file if tls else None)
        if tls is not None and tls.certificate_file is not None:
            # A key with a password would be asked for on the terminal.
            context.load_cert_chain(tls.certificate_file, tls.key_file, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "they are not what they should be"
        raise ConfigError(
            f"The files of tls cannot be used: {reason}.",
            remedy="Check ca_file, certificate_file and key_file: PEM, and a key without password.",
        ) from None
    return pika.SSLOptions(context, config.address.host)
