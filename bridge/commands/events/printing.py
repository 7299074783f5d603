"""Events as verbs print them: with data and metadata as they are stored, digit for digit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from bridge.commands.output import iso_time, print_table
from bridge.eventsourcing.records import Recorded

_TEXTS = ("data", "metadata")


def event_json(event: Recorded) -> str:
    """Return an event as a JSON object; reading data and metadata first would round numbers."""
    members = event._asdict()
    texts = [f'"{name}": {members.pop(name)}' for name in _TEXTS]
    return f"{json.dumps(members, ensure_ascii=False)[:-1]}, {', '.join(texts)}}}"


def print_events_json(events: Iterable[Recorded]) -> None:
    """Print events as a JSON array, one a line, as they come."""
    before = "["
    for event in events:
        print(before)
        print(f"  {event_json(event)}", end="")
        before = ","
    print("[]" if before == "[" else "\n]")


def print_events(events: Sequence[Recorded]) -> None:
    """Print events as a table."""
    print_table(
        ("global", "aggregate", "id", "sequence", "event", "version", "time", "data"),
        [
            (
                event.global_sequence,
                event.aggregate_type,
                event.aggregate_id,
                event.sequence,
                event.event_type,
                event.version,
                iso_time(event.timestamp),
                event.data,
            )
            for event in events
        ],
    )
