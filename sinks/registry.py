"""The sinks by the name they have in the configuration. Imported on use, so that a sink whose
client library is not installed costs nothing until it is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

from bridge.core.errors import ConfigError

SINKS: dict[str, str] = {
    "file": "sinks.file:FileSink",
    "stdout": "sinks.stdout:StdoutSink",
    "kafka": "sinks.kafka:KafkaSink",
    "null": "sinks.null:NullSink",
    "terminal": "sinks.terminal:TerminalSink",
    "rabbitmq": "sinks.rabbitmq.sink:RabbitMqSink",
    "webhook": "sinks.webhook:WebhookSink",
}

_EXTRAS: dict[str, str] = {
    "kafka": "kafka",
    "rabbitmq": "rabbitmq",
}


def sink_class(name: str) -> type[Any]:
    """Return the class registered as ``name``; its ``Config`` attribute is the dataclass of its
    settings, and ``sink_class(name)(config)`` makes the sink.

    Raises:
        ConfigError: no such sink, or its client library is not installed.
    """
    try:
        module, _, attribute = SINKS[name].partition(":")
    except KeyError:
        near = difflib.get_close_matches(name, SINKS, n=1)
        raise ConfigError(
            f"There is no sink of type {name!r}.",
            remedy=f"Did you mean {near[0]!r}?" if near else f"Known types: {', '.join(SINKS)}.",
        ) from None
    try:
        found: type[Any] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(name)
        if extra is None:
            raise
        raise ConfigError(
            f"The sink {name!r} needs the module {error.name}, which is not installed.",
            remedy=f"Run: pip install 'pgbridge[{extra}]'",
        ) from error
    return found
