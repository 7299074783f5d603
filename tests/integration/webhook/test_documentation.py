"""The receiver in docs/sinks/webhook.md runs, and believes only what is signed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.errors import EventRejected
from sinks.webhook import BatchConfig, WebhookCdcConsumer, WebhookConfig
from sinks.webhook.signatures import SigningSecret
from sinks.webhook.url import Url
from tests.fixtures.events import make_event, whole_transaction
from tests.fixtures.waiting import eventually
from tests.integration.webhook.conftest import QUICK, MakeSink

PAGE = Path(__file__).parents[3] / "docs/sinks/webhook.md"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class Example:
    """The program of the page, as a process."""

    def __init__(self, directory: Path) -> None:
        (program,) = (
            text
            for text in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
            if "serve_forever" in text
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (directory / "receiver.py").write_text(program)
        self.output = directory / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, directory / "receiver.py"],
                env={**os.environ, "HOOK_SECRET": SECRET, "PORT": str(self.port)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        eventually(self.listens, message="the receiver listens", ignoring=(OSError,))

    def listens(self) -> bool:
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    running = Example(tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


@pytest.mark.parametrize("batch", [None, BatchConfig()])
def test_it_takes_signed_events_once(
    batch: BatchConfig | None, example: Example, make_sink: MakeSink
) -> None:
    events = whole_transaction(0x1000, 30)
    for secrets in ([SECRET], [OTHER, SECRET]):  # the second time all are known, and keys rotate
        newest, *previous = map(SigningSecret, secrets)
        sink = make_sink(
            url=example.url,
            batch=batch,
            lanes=1,
            signing_secret=newest,
            previous_signing_secrets=tuple(previous),
        )
        sink.write(events)
        progress = sink.flush(10)
        assert (progress.durable, progress.rejections) == (events.last, ())
    assert example.lines() == [f"Insert users {i}" for i in range(30)]


@pytest.mark.parametrize("secret", [OTHER, None])
def test_it_takes_nothing_else(secret: str | None, example: Example) -> None:
    config = WebhookConfig(
        url=Url(example.url), signing_secret=SigningSecret(secret) if secret else None, **QUICK
    )
    with WebhookCdcConsumer(config) as consumer, pytest.raises(EventRejected, match="status 400"):
        consumer.process_event(make_event())
    assert example.lines() == []
