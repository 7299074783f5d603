"""The streams of a store: how they are made, and what must hold for them to keep events."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.runtime.eventstores.jetstream.bucket import Bucket
from bridge.runtime.eventstores.jetstream.link import Patience
from bridge.runtime.eventstores.jetstream.publishing import (
    EXPECTED_IN_SUBJECT,
    Publication,
    Publisher,
)
from bridge.runtime.eventstores.jetstream.stream import Stream

_DUPLICATE_WINDOW_NS: Final = 120 * 10**9
_IDENTITY: Final = "identity"

_FOREVER: Final[Mapping[str, Any]] = {
    "retention": "limits",
    "storage": "file",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "deny_delete": True,
}
"""Settings without which a stream loses events, or lets them be removed one by one."""


def events_of(name: str) -> str:
    """Return what the subjects of all events begin with, for a stream of this name."""
    return f"{name}.event"


async def prepare_stream(stream: Stream, publisher: Publisher, replicas: int) -> str:
    """Make the stream if there is none, and return the identity of the store.

    Raises:
        EnvironmentProblem: the stream cannot be made, or is not one for events.
        Transient: the cluster does not answer.
    """
    info = await stream.info()
    if info is None:
        await stream.create(
            {
                **_FOREVER,
                "name": stream.name,
                "subjects": [f"{stream.name}.>"],
                "num_replicas": replicas,
                "discard": "new",
                "max_consumers": -1,
                "max_msg_size": -1,
                "duplicate_window": _DUPLICATE_WINDOW_NS,
            }
        )
    else:
        _check(stream.name, info["config"])
    return await _identity(stream, publisher)


def _check(name: str, config: Mapping[str, Any]) -> None:
    wanted = {**_FOREVER, "subjects": [f"{name}.>"]}
    for setting, value in wanted.items():
        found = config.get(setting, False if setting == "deny_delete" else None)
        if found != value:
            raise EnvironmentProblem(
                f"The JetStream stream {name} is not one for events: its setting {setting} is "
                f"{found}, and has to be {value}.",
                remedy="Give the store the name of another stream, which is made by pgbridge.",
            )


async def _identity(stream: Stream, publisher: Publisher) -> str:
    """Return the identity, which is the first message of the stream."""
    subject = f"{stream.name}.{_IDENTITY}"
    patience = Patience(stream.link.patience_s)
    while (found := await stream.last(subject)) is None:
        new = Publication(subject, secrets.token_hex(16).encode(), {EXPECTED_IN_SUBJECT: "0"})
        with suppress(Transient):
            await publisher.publish([new])  # or somebody else is faster
        await patience.pause("making the event store")
    return found.data.decode()


async def prepare_bucket(
    stream: Stream, bucket: Bucket, name: str, identity: str, replicas: int
) -> None:
    """Make the bucket if there is none, and check that it belongs to the stream.

    Args:
        stream: with the events.
        bucket: beside it.
        name: of the bucket.
        identity: of the stream.
        replicas: as for the stream.

    Raises:
        EnvironmentProblem: the bucket is missing or belongs to another stream.
        Transient: the cluster does not answer.
    """
    if await bucket.stream.info() is None:
        if await stream.last(f"{events_of(stream.name)}.>") is not None:
            raise EnvironmentProblem(
                f"The JetStream stream {stream.name} has events, but its key-value bucket "
                f"{name} is missing: it holds snapshots and how far projections have come.",
                remedy="Restore the bucket from the same backup as the stream.",
            )
        await bucket.stream.create(
            {
                "name": bucket.stream.name,
                "subjects": [bucket.subject(">")],
                "retention": "limits",
                "storage": "file",
                "num_replicas": replicas,
                "discard": "new",
                "max_msgs_per_subject": 1,
                "max_consumers": -1,
                "max_msgs": -1,
                "max_bytes": -1,
                "max_msg_size": -1,
                "max_age": 0,
                "duplicate_window": _DUPLICATE_WINDOW_NS,
                "deny_delete": True,
                "allow_rollup_hdrs": True,
            }
        )
    await bucket.update(_IDENTITY, lambda found: identity.encode() if found is None else None)
    if await bucket.get(_IDENTITY) != identity.encode():
        raise EnvironmentProblem(
            f"The key-value bucket {name} belongs to another stream than {stream.name}: one "
            "of the two was made anew or restored alone.",
            remedy="Restore both from the same backup, or remove both.",
        )
