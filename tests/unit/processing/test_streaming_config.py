"""The settings of whoever drives processors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.processing import StreamingConfig


def test_lengths_and_sizes_have_their_units() -> None:
    config = StreamingConfig(row_timeout=timedelta(milliseconds=50), max_buffer_memory_mb=32)
    assert config.row_timeout_s == 0.05
    assert config.max_buffer_bytes == 32_000_000
    assert StreamingConfig().max_buffer_bytes is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"buffer_size": 0}, "buffer_size is 0"),
        ({"max_buffer_memory_mb": 0}, "max_buffer_memory_mb is 0"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
        ({"buffer_size": None}, "buffer_size is None"),
        ({"max_buffer_memory_mb": "64"}, "max_buffer_memory_mb is '64'"),
        ({"row_timeout": -1}, "row_timeout is -1"),
        ({"row_timeout": "50ms"}, "row_timeout is no length of time"),
        ({"enable_compression": "no"}, "enable_compression is 'no'"),
        ({"batch_size": 11, "buffer_size": 10}, "only 10 events may wait"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StreamingConfig(**settings)
