"""The sink ``file`` as a target of the contract suite, in every format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from bridge.core.events import CdcEvent, EventBatch
from sinks.base import Sink
from sinks.file import FileConfig, FileSink
from sinks.formats import NATIVE, make_format
from tests.contract.target import SinkTarget

_EVENT_ID = re.compile('"(?:event_|__event_)?id":"([0-9a-f-]{36})"')


class FileTarget(SinkTarget):
    proves_position = True
    rotate_bytes: ClassVar[int | None] = None

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        directory: Path = request.getfixturevalue("tmp_path")
        self.path = directory / "events.jsonl"

    def config(self) -> FileConfig:
        return FileConfig(path=str(self.path), rotate_bytes=self.rotate_bytes)

    def sink(self) -> Sink:
        return FileSink(self.config())

    def lines(self) -> Iterator[str]:
        rotated = sorted(self.path.parent.glob("events-*.jsonl"))
        for path in [*rotated, self.path]:
            if path.exists():
                yield from path.read_bytes().decode().rstrip("\n").split("\n")

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines() if line]


class RotatedFileTarget(FileTarget):
    rotate_bytes = 2000


class FormattedFileTarget(FileTarget):
    """A file in another format: each line has to be what the format makes of the event that was
    written with its ``event_id``."""

    format: ClassVar[Literal["debezium", "cloudevents", "flat"]]

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.written: dict[str, CdcEvent] = {}

    def config(self) -> FileConfig:
        return FileConfig(path=str(self.path), format=self.format)

    def sink(self) -> Sink:
        return _RecordingFileSink(self.config(), self.written)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(self._as_native(line)) for line in self.lines() if line]

    def _as_native(self, line: str) -> str:
        found = _EVENT_ID.search(line)
        assert found is not None, line
        event = self.written[found[1]]
        assert line == make_format(self.config()).encode(event)
        return NATIVE.encode(event)


class _RecordingFileSink(FileSink):
    def __init__(self, config: FileConfig, written: dict[str, CdcEvent]) -> None:
        super().__init__(config)
        self._recorded = written

    def write(self, batch: EventBatch) -> None:
        self._recorded.update((event.event_id, event) for event in batch.events)
        super().write(batch)


class DebeziumFileTarget(FormattedFileTarget):
    format = "debezium"


class CloudEventsFileTarget(FormattedFileTarget):
    format = "cloudevents"


class FlatFileTarget(FormattedFileTarget):
    format = "flat"
