"""Which settings of librdkafka a configuration may pass through, and which are ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from confluent_kafka import KafkaException, Producer

from bridge.core.errors import ConfigError

Option: TypeAlias = str | int | float | bool

_ALWAYS = "It is always {}, or order and delivery could not be promised."
_INSTEAD = "Use the setting {} instead."
_NOT = "It cannot be used here."

_OURS: Final[Mapping[str, str]] = {
    "enable.idempotence": _ALWAYS.format("true"),
    "enable.gapless.guarantee": _ALWAYS.format("true"),
    "message.timeout.ms": _ALWAYS.format("unlimited"),
    "delivery.timeout.ms": _ALWAYS.format("unlimited"),
    "acks": _ALWAYS.format("all"),
    "request.required.acks": _ALWAYS.format("all"),
    "delivery.report.only.error": _ALWAYS.format("false"),
    "bootstrap.servers": _INSTEAD.format("brokers"),
    "metadata.broker.list": _INSTEAD.format("brokers"),
    "compression.type": _INSTEAD.format("compression"),
    "compression.codec": _INSTEAD.format("compression"),
    "message.max.bytes": _INSTEAD.format("max_message_bytes"),
    "transactional.id": _INSTEAD.format("transactional_id"),
    "transaction.timeout.ms": _INSTEAD.format("transaction_timeout_ms"),
    "security.protocol": _INSTEAD.format("tls or sasl"),
    "enable.ssl.certificate.verification": _ALWAYS.format("true"),
    "ssl.endpoint.identification.algorithm": _ALWAYS.format("https"),
    "ssl.ca.location": _INSTEAD.format("tls.ca_file"),
    "ssl.certificate.location": _INSTEAD.format("tls.cert_file"),
    "ssl.key.location": _INSTEAD.format("tls.key_file"),
    "ssl.key.password": _INSTEAD.format("tls.key_password"),
    "plugin.library.paths": _NOT,
    "debug": _NOT,
}
_SECRET_WORDS = ("password", "secret", "pem", "sasl.")


def check_options(options: Mapping[str, Option]) -> None:
    """Check options for librdkafka.

    Raises:
        ConfigError: one of them is set by other means, must not be changed, or does not exist.
    """
    for name in options:
        reason = _OURS.get(name)
        if reason is None and any(word in name for word in _SECRET_WORDS):
            reason = _INSTEAD.format("tls or sasl")  # options are shown as they are
        if reason is not None or name.endswith("_cb"):
            raise ConfigError(f"The option {name} cannot be set.", remedy=reason or _NOT)
    try:
        Producer({**options, "log_level": 0})  # it connects to nothing: no address is given
    except (KafkaException, TypeError, ValueError) as error:
        detail = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise ConfigError(
            f"The options for librdkafka are wrong: {detail}.",
            remedy="Their names and values are those of librdkafka's CONFIGURATION.md.",
        ) from None
