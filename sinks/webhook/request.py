"""Events as HTTP requests: what does not change is prepared once, the rest costs little."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bridge.core.events import CdcEvent
from sinks.formats import Format
from sinks.webhook.config import WebhookConfig
from sinks.webhook.signatures import Signer
from sinks.webhook.url import Endpoint, basic

Item: TypeAlias = tuple[int, CdcEvent, str]
"""An event on its way: its number in the session, the event, and its JSON text."""

_GZIP_LEVEL = 1
"""JSON of rows shrinks to a fifth at any level; the first costs the least."""

_BATCHES = uuid.UUID("6f6b5b1c-7f0e-5d5c-9a53-0d7c4a6e5b11")
"""Namespace of the identifiers of batches."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, which may be sent several times.

    Attributes:
        message_id: the same at every attempt.
        body: as it is sent, compressed if it is.
    """

    message_id: str
    body: bytes


class RequestMaker:
    """Makes the requests of one sink.

    Args:
        config: of the sink.
        fmt: of single events.
    """

    def __init__(self, config: WebhookConfig, fmt: Format) -> None:
        self._config = config
        self._batched = config.batch is not None
        self._compressed = config.compression == "gzip"
        self._content_type = "application/json" if self._batched else fmt.content_type
        self._signer = Signer(config.signing_secrets) if config.signing_secrets else None

    def start(self, endpoint: Endpoint, *, confidential: bool) -> bytes:
        """Return request line and headers that are the same in every request.

        Args:
            endpoint: where the requests go.
            confidential: whether the account and the headers of the configuration are among them.
        """
        headers = {
            "Host": endpoint.authority,
            "User-Agent": "pgbridge",
            "Accept": "*/*",
            "Content-Type": self._content_type,
        }
        if self._compressed:
            headers["Content-Encoding"] = "gzip"
        if confidential:
            _put_confidential(headers, self._config)
        lines = [f"{self._config.method} {endpoint.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n"

    def make(self, items: Sequence[Item]) -> Request:
        """Return the request for the events; without batches there is exactly one."""
        if self._batched:
            text = f'{{"data":[{",".join([line for _, _, line in items])}]}}'
            message_id = _batch_id(items)
        else:
            ((_, event, text),) = items
            message_id = event.event_id
        body = text.encode()
        if self._compressed:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        return Request(message_id, body)

    def rest_of_head(self, request: Request, timestamp: int) -> bytes:
        """Return the headers of this request alone, complete with the empty line.

        Args:
            request: whose headers they are.
            timestamp: of this attempt, in seconds since 1970.
        """
        message_id = request.message_id
        own = (
            f"Content-Length: {len(request.body)}\r\n"
            f"webhook-id: {message_id}\r\n"
            f"Idempotency-Key: {message_id}\r\n"
            f"webhook-timestamp: {timestamp}\r\n"
        )
        if self._signer is not None:
            signature = self._signer.sign(message_id, timestamp, request.body)
            own += f"webhook-signature: {signature}\r\n"
        return own.encode() + b"\r\n"


def _put_confidential(headers: dict[str, str], config: WebhookConfig) -> None:
    authorization = _authorization(config)
    if authorization is not None:
        headers["Authorization"] = authorization
    for name, value in config.headers.items():
        _put(headers, name, value)
    for name, secret in config.secret_headers.items():
        _put(headers, name, secret.reveal())


def _put(headers: dict[str, str], name: str, value: str) -> None:
    """Set a header; one of ours with the same name goes."""
    for known in [known for known in headers if known.lower() == name.lower()]:
        del headers[known]
    headers[name] = value


def _authorization(config: WebhookConfig) -> str | None:
    if config.bearer_token is not None:
        return f"Bearer {config.bearer_token.reveal()}"
    if config.username is not None and config.password is not None:
        return basic(config.username, config.password.reveal())
    return Endpoint.parse(config.url.reveal()).account


def _batch_id(items: Sequence[Item]) -> str:
    """Return an identifier that the same events have in every repetition."""
    first, last = items[0][1].event_id, items[-1][1].event_id
    return str(uuid.uuid5(_BATCHES, f"{first}/{last}/{len(items)}"))
