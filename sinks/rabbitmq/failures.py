"""What pika reports, and what it means for the sink: retry, or stop with a sentence."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import pika.exceptions

from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from sinks.rabbitmq.config import RabbitMqConfig

# https://www.rabbitmq.com/amqp-0-9-1-reference.html#constants
_ACCESS_REFUSED = 403
_NOT_FOUND = 404
_RESOURCE_LOCKED = 405
_PRECONDITION_FAILED = 406
_NOT_ALLOWED = 530

_TOO_LARGE = re.compile(r"message size \d+ is larger than (?:configured )?max size (\d+)")
_PASSES = re.compile(r"is down|limit .* reached")
_CLOSED_BY_BROKER = re.compile(r"ClosedByBroker: \((\d+)\) ['\"](.*)['\"]")


def connection_failure(error: BaseException, config: RabbitMqConfig) -> BridgeError:
    """Return what the end of a connection means, or that it could not be made."""
    where = f"RabbitMQ at {config.address.endpoint}"
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return EnvironmentProblem(
                f"The certificate of {where} is not accepted: {cause.verify_message}.",
                remedy="Name the authority that signed it in tls.ca_file, and the host as the "
                "certificate has it in the url.",
            )
        if getattr(cause, "reason", None) == "WRONG_VERSION_NUMBER":  # of an SSLError
            return EnvironmentProblem(
                f"{where} does not speak TLS on this port.",
                remedy="Use the port for TLS, usually 5671, or amqp:// without TLS.",
            )
        if isinstance(cause, pika.exceptions.ConnectionBlockedTimeout):
            return Transient(
                f"{where} did not take messages for longer than blocked_timeout_seconds."
            )
        if isinstance(cause, pika.exceptions.AMQPHeartbeatTimeout):
            return Transient(f"{where} was silent for longer than heartbeat_seconds.")
    for cause in causes:
        said = _said_by_broker(cause)
        if said is not None:
            return _closed_connection(*said, where, config)
    system = next((c for c in causes if isinstance(c, OSError) and c.strerror), None)
    reason = "the connection was lost" if system is None else str(system.strerror).lower()
    return Transient(f"{where} cannot be reached: {reason}.")


def _closed_connection(code: int, text: str, where: str, config: RabbitMqConfig) -> BridgeError:
    address = config.address
    if code == _ACCESS_REFUSED:
        return EnvironmentProblem(
            f"{where} refuses the login of {address.user!r}.",
            remedy="Check user and password in the url, and that the user may log in from here.",
        )
    if code == _NOT_ALLOWED and "not found" in text:
        return EnvironmentProblem(
            f"{where} has no virtual host {address.vhost!r}.",
            remedy="Create it, or name another one at the end of the url; / is written %2F.",
        )
    if code == _NOT_ALLOWED and "refused" in text and not _PASSES.search(text):
        return EnvironmentProblem(
            f"{where} does not let {address.user!r} into the virtual host {address.vhost!r}.",
            remedy=f"Grant it with: rabbitmqctl set_permissions -p {address.vhost} {address.user}",
        )
    return Transient(f"{where} closed the connection: {_plain(text)}.")


def channel_failure(error: BaseException, config: RabbitMqConfig, *, starting: bool) -> BridgeError:
    """Return what the end of a channel means.

    Args:
        error: why it was closed.
        config: of the sink.
        starting: whether nothing was ever delivered: what is missing then has to be made by
            somebody, and may come back by itself later.
    """
    if not isinstance(error, pika.exceptions.ChannelClosed):
        return connection_failure(error, config)
    code, text = error.reply_code, str(error.reply_text)
    said = f"RabbitMQ at {config.address.endpoint} says: {_plain(text)}."
    if code == _NOT_FOUND:
        kind = EnvironmentProblem if starting else Transient
        otherwise = "." if config.declare else ", or set declare to true for this sink."
        return kind(said, remedy=f"Make what is missing{otherwise}")
    if code == _ACCESS_REFUSED:
        return EnvironmentProblem(
            said, remedy="Grant the user the permissions configure, write and read, as needed."
        )
    if code in (_PRECONDITION_FAILED, _RESOURCE_LOCKED) and too_large(error) is None:
        return EnvironmentProblem(
            said,
            remedy="Make the settings of this sink those of the exchange or queue that is there, "
            "or set declare to false to take it as it is.",
        )
    return Transient(said)


def too_large(error: BaseException) -> int | None:
    """Return the largest message in bytes that the broker takes, if it says that one was larger."""
    if isinstance(error, pika.exceptions.ChannelClosed):
        found = _TOO_LARGE.search(str(error.reply_text))
        return int(found[1]) if found else None
    return None


def _said_by_broker(error: BaseException) -> tuple[int, str] | None:
    if isinstance(error, pika.exceptions.ConnectionClosed):
        return error.reply_code, str(error.reply_text)
    # While a connection is being made, pika keeps of the broker's words only how they print.
    found = _CLOSED_BY_BROKER.search(str(error.args[0])) if error.args else None
    return (int(found[1]), found[2]) if found else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that pika has wrapped in it, outermost first."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [*getattr(cause, "exceptions", ()), getattr(cause, "exception", None)]
        inner += [*cause.args, cause.__cause__]
        waiting += [item for item in inner if isinstance(item, BaseException)]


def _plain(text: str) -> str:
    """Return the broker's words on one line, without the name of the condition in front."""
    return " ".join(re.sub(r"^[A-Z_]+ - ", "", text).split()).rstrip(".")
