"""The forms in which events leave the bridge, and how a sink asks for one.

A sink that writes events has a ``Config`` that inherits from ``FormatConfig``, makes its format
once with ``make_format`` and encodes whole batches with ``encode_batch``.
"""

from __future__ import annotations

from bridge.core.events import EventBatch
from sinks.formats.base import Format, FormatConfig
from sinks.formats.cloudevents import CloudEventsFormat
from sinks.formats.debezium import DebeziumFormat
from sinks.formats.flat import FlatFormat
from sinks.formats.native import NATIVE

__all__ = ["NATIVE", "Format", "FormatConfig", "encode_batch", "make_format"]


def make_format(config: FormatConfig) -> Format:
    """Return the format that a sink was configured with."""
    match config.format:
        case "debezium":
            return DebeziumFormat(config.server_name)
        case "cloudevents":
            return CloudEventsFormat(config.server_name)
        case "flat":
            return FlatFormat()
        case _:
            return NATIVE


def encode_batch(batch: EventBatch, fmt: Format = NATIVE) -> list[str]:
    """Return the JSON text of each event, without line ends.

    The batch keeps the result, so that all sinks of the same format share one encoding.
    """
    return batch.encoded(fmt.name, fmt.encoder)
