"""``pgbridge events show``: the events of an aggregate, of a type, or of the whole store."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from bridge.commands.events.stores import (
    aggregate_type_flag,
    chosen_projection,
    open_store,
    projection_flag,
    type_of,
)
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.eventsourcing.records import Recorded
    from bridge.eventsourcing.storage import EventStorage

_PAGE = 1000


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    show = add_verb(subparsers, "show", "show events, archived or not, with their data", _show)
    show.add_argument("id", nargs="?", help="of the aggregate; all aggregates by default")
    aggregate_type_flag(show)
    show.add_argument("--event-type", metavar="TYPE", help="events of this type, of all aggregates")
    show.add_argument(
        "--from",
        dest="first",
        type=_positive,
        default=1,
        metavar="N",
        help="from this sequence of the aggregate on; without one, from this global sequence (1)",
    )
    show.add_argument("--limit", type=_positive, default=100, help="at most so many (100)")
    projection_flag(show)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _show(args: Namespace) -> int:
    from bridge.commands.events.printing import print_events, print_events_json
    from bridge.commands.settings import load_settings

    if args.event_type is not None and args.id is not None:
        raise ConfigError(
            "Events of a type are those of all aggregates.",
            remedy="Leave out --event-type, or the aggregate.",
        )
    if args.aggregate_type is not None and args.id is None:
        raise ConfigError(
            "--aggregate-type says which aggregate is meant, and there is none.",
            remedy="Give the id of the aggregate.",
        )
    config = load_settings(args)
    with open_store(config, chosen_projection(config, args.projection)) as storage:
        events = islice(_events(storage, args), args.limit)
        if args.json:
            print_events_json(events)
        else:
            print_events(list(events))
    return EXIT_OK


def _events(storage: EventStorage, args: Namespace) -> Iterator[Recorded]:
    if args.id is not None:
        kind = type_of(storage, args.id, args.aggregate_type)
        return _paged(
            lambda after: storage.read_aggregate(kind, args.id, after, _PAGE),
            args.first - 1,
            attrgetter("sequence"),
        )
    if args.event_type is not None:
        return _paged(
            lambda after: storage.read_type(args.event_type, after, _PAGE),
            args.first - 1,
            attrgetter("global_sequence"),
        )
    return _paged(
        lambda after: storage.read_all(after, _PAGE),
        args.first - 1,
        attrgetter("global_sequence"),
    )


def _paged(
    read: Callable[[int], Sequence[Recorded]], after: int, place: Callable[[Recorded], int]
) -> Iterator[Recorded]:
    while page := read(after):
        yield from page
        after = place(page[-1])
