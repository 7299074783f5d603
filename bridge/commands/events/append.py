"""``pgbridge events append``: one event from the command line, checked like every other one."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bridge.commands.events.stores import (
    aggregate_type_flag,
    chosen_projection,
    open_store,
    projection_flag,
)
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.eventsourcing.expected_version import ExpectedVersion

_EXPECTED = ("any", "no-stream", "stream-exists")
_US = 1_000_000


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    append = add_verb(subparsers, "append", "append an event to an aggregate", _append)
    append.add_argument("id", help="of the aggregate")
    append.add_argument("event_type", metavar="event", help="type of the event")
    aggregate_type_flag(append, required=True)
    append.add_argument(
        "--data", default="{}", metavar="JSON", help="a JSON object; - reads standard input ({})"
    )
    append.add_argument("--metadata", default="{}", metavar="JSON", help="a JSON object ({})")
    append.add_argument(
        "--version", type=int, default=1, metavar="N", help="of the schema of the data (1)"
    )
    append.add_argument(
        "--expected-version",
        default="any",
        metavar="N",
        help="sequence of the last event you have seen, any, no-stream or stream-exists (any)",
    )
    append.add_argument(
        "--event-id", metavar="UUID", help="appending the same one again does nothing"
    )
    projection_flag(append)


def _append(args: Namespace) -> int:
    from bridge.commands.output import print_json
    from bridge.commands.settings import load_settings
    from bridge.eventsourcing import DomainEvent, EventStore
    from bridge.eventsourcing.event_id import new_event_id

    expected = _expected(args.expected_version)
    event = DomainEvent(
        event_id=args.event_id or new_event_id(),
        aggregate_id=args.id,
        aggregate_type=args.aggregate_type,
        event_type=args.event_type,
        version=args.version,
        timestamp=time.time_ns() * _US // 1_000_000_000,
        data=_object(sys.stdin.read() if args.data == "-" else args.data, "--data"),
        metadata=_object(args.metadata, "--metadata"),
    )
    config = load_settings(args)
    with open_store(config, chosen_projection(config, args.projection), make=True) as storage:
        stored = EventStore(storage).append_event(event, expected)
    if args.json:
        print_json(
            {
                "event_id": stored.event_id,
                "sequence": stored.sequence,
                "global_sequence": stored.global_sequence,
            }
        )
    else:
        print(f"Event {stored.event_id} has the sequence {stored.sequence} in its aggregate.")
    return EXIT_OK


def _expected(text: str) -> ExpectedVersion:
    from bridge.eventsourcing.errors import InvalidInput
    from bridge.eventsourcing.expected_version import StreamState

    if text in _EXPECTED:
        return StreamState[text.replace("-", "_").upper()]
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(
            "--expected-version is neither a number nor one of any, no-stream and stream-exists."
        ) from None


def _object(text: str, flag: str) -> Any:
    """Return the JSON value; whether it is an object, the store checks."""
    from bridge.eventsourcing.errors import InvalidInput

    def exact(number: str) -> float:
        value = float(number)
        if Decimal(repr(value)) != Decimal(number):
            raise InvalidInput(
                f"{flag} has a number with more digits than are kept.", remedy="Write it as a text."
            )
        return value

    try:
        return json.loads(text, parse_float=exact)
    except (ValueError, RecursionError):
        raise InvalidInput(
            f"{flag} is not JSON.", remedy="Write it as '{\"amount\": 5}', in quotes for the shell."
        ) from None
