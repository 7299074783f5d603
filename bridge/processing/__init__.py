"""Stream processing: windows, aggregates, joins and patterns over keyed events in event time.

A library of its own: no connection, no thread, no clock and no file. ``docs/processing.md`` says
what it means and shows how to use it.
"""

from __future__ import annotations

from bridge.processing.aggregates import AggregationFunction
from bridge.processing.events import Key, StreamEvent
from bridge.processing.processor import StreamProcessor
from bridge.processing.stats import ProcessorStats
from bridge.processing.streaming_config import StreamingConfig
from bridge.processing.watermark import BoundedOutOfOrderness
from bridge.processing.windows import WindowResult, WindowType

__all__ = [
    "AggregationFunction",
    "BoundedOutOfOrderness",
    "Key",
    "ProcessorStats",
    "StreamEvent",
    "StreamProcessor",
    "StreamingConfig",
    "WindowResult",
    "WindowType",
]
