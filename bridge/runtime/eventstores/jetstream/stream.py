"""One stream of JetStream, by the requests that we make of it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from bridge.runtime.eventstores.jetstream.errors import NO_MESSAGE, NO_STREAM, Refused
from bridge.runtime.eventstores.jetstream.link import Link
from bridge.runtime.eventstores.jetstream.messages import Message, parse_headers

_IDLE_CONSUMER_S = 60


class Stream:
    """A stream. Its leader answers, so what was confirmed before is in the answer.

    Args:
        link: the connection.
        name: of the stream.
    """

    def __init__(self, link: Link, name: str) -> None:
        self.link = link
        self.name = name

    async def info(self, **filters: Any) -> dict[str, Any] | None:
        """Return what the server says of the stream; None if there is none."""
        try:
            return await self._ask("INFO", filters, doing="looking at the stream")
        except Refused as error:
            if error.code == NO_STREAM:
                return None
            raise

    async def create(self, config: Mapping[str, Any]) -> None:
        """Make the stream; one with the same settings may exist."""
        await self._ask("CREATE", config, doing=f"making the stream {self.name}")

    async def last(self, subject: str) -> Message | None:
        """Return the last message of a subject, which may have wildcards; None if it has none."""
        return await self._get({"last_by_subj": subject})

    async def next(self, subject: str, sequence: int) -> Message | None:
        """Return the first message of a subject from ``sequence`` on; None if there is none."""
        return await self._get({"seq": sequence, "next_by_subj": subject})

    async def get(self, sequence: int) -> Message | None:
        """Return a message by its place; None if it was removed."""
        return await self._get({"seq": sequence})

    async def subjects(self, subject: str) -> list[str]:
        """Return the subjects with messages that match one with wildcards, in no order."""
        found: list[str] = []
        while True:
            info = await self.info(subjects_filter=subject, offset=len(found))
            page = ((info or {}).get("state", {})).get("subjects") or {}
            found += page
            if not page or len(found) >= (info or {}).get("total", 0):
                return found

    async def purge(self, subject: str, before: int) -> None:
        """Remove the messages of a subject whose place is below ``before``."""
        await self._ask("PURGE", {"filter": subject, "seq": before}, doing="removing old events")

    async def make_consumer(self, subject: str, start: int, *, headers_only: bool) -> str:
        """Make a consumer for the messages of a subject from a place on, and return its name.

        It is kept in memory by one server, and gone when nobody has used it for a minute.
        """
        answer = await self.link.request(
            f"CONSUMER.CREATE.{self.name}",
            {
                "stream_name": self.name,
                "config": {
                    "deliver_policy": "by_start_sequence",
                    "opt_start_seq": start,
                    "filter_subject": subject,
                    "ack_policy": "none",
                    "replay_policy": "instant",
                    "headers_only": headers_only,
                    "inactive_threshold": _IDLE_CONSUMER_S * 10**9,
                    "num_replicas": 1,
                    "mem_storage": True,
                },
            },
            doing="reading the stream",
        )
        return str(answer["name"])

    async def _get(self, which: Mapping[str, Any]) -> Message | None:
        try:
            answer = await self._ask("MSG.GET", which, doing="reading the stream")
        except Refused as error:
            if error.code == NO_MESSAGE:
                return None
            raise
        found = answer["message"]
        return Message(
            found["seq"],
            found["subject"],
            parse_headers(b64decode(found.get("hdrs") or "")),
            b64decode(found.get("data") or ""),
        )

    async def _ask(self, verb: str, body: Mapping[str, Any], *, doing: str) -> dict[str, Any]:
        return await self.link.request(f"STREAM.{verb}.{self.name}", body, doing=doing)
