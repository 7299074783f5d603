"""What the store keeps beside its events, in a key-value bucket: each key has one value.

A bucket is a stream that keeps the last message of each subject. A value is replaced only if it is
still the one that was read, so that nobody undoes what somebody else has put there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.runtime.eventstores.jetstream.errors import OVERTAKEN
from bridge.runtime.eventstores.jetstream.link import Patience
from bridge.runtime.eventstores.jetstream.messages import Message
from bridge.runtime.eventstores.jetstream.publishing import (
    EXPECTED_IN_SUBJECT,
    Publication,
    Publisher,
    Rejected,
    Stored,
    too_large,
)
from bridge.runtime.eventstores.jetstream.reading import Reader
from bridge.runtime.eventstores.jetstream.stream import Stream


class Bucket:
    """A key-value bucket. Used in the thread of the loop alone.

    Args:
        stream: of the bucket.
        publisher: of its link.
        name: of the bucket.
    """

    def __init__(self, stream: Stream, publisher: Publisher, name: str) -> None:
        self.stream = stream
        self._publisher = publisher
        self._prefix = f"$KV.{name}."

    def subject(self, key: str) -> str:
        """Return the subject of a key, which may have wildcards."""
        return self._prefix + key

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key; None if it has none."""
        found = await self.stream.last(self.subject(key))
        return None if found is None else found.data

    async def keys(self, key: str) -> list[str]:
        """Return the keys that match one with wildcards, in no order."""
        subjects = await self.stream.subjects(self.subject(key))
        return [subject.removeprefix(self._prefix) for subject in subjects]

    async def values(self, key: str) -> list[bytes]:
        """Return the values of the keys that match one with wildcards, oldest first."""
        last = await self.stream.last(self.subject(key))
        if last is None:
            return []
        found: dict[str, Message] = {}
        reader = Reader(self.stream, self.subject(key))
        try:
            while messages := await reader.read(last.sequence):
                for message in messages:
                    found.pop(message.subject, None)
                    found[message.subject] = message
        finally:
            await reader.close()
        return [message.data for message in found.values()]

    async def update(self, key: str, decide: Callable[[bytes | None], bytes | None]) -> None:
        """Replace the value of a key.

        Args:
            key: the one.
            decide: returns the new value for the one that is there, None for leaving that. May be
                called several times.

        Raises:
            EnvironmentProblem: JetStream does not take the value.
            Transient: the cluster does not answer; it may have taken the value.
        """
        subject = self.subject(key)
        patience = Patience(self.stream.link.patience_s)
        while True:
            found = await self.stream.last(subject)
            value = decide(None if found is None else found.data)
            if value is None or (found is not None and found.data == value):
                return
            if len(value) > self._publisher.largest:
                raise too_large("A snapshot", len(value), self._publisher.largest)
            expected = {EXPECTED_IN_SUBJECT: str(found.sequence if found else 0)}
            try:
                [outcome] = await self._publisher.publish([Publication(subject, value, expected)])
            except Transient:
                outcome = None
            match outcome:
                case Stored():
                    return
                case Rejected(code, description) if code not in OVERTAKEN:
                    raise EnvironmentProblem(
                        f"JetStream does not store a value: {description} (error {code})."
                    )
                case Rejected():
                    await asyncio.sleep(0)
                case None:
                    await patience.pause("storing a value")
