"""``pgbridge events snapshot``: fold the events of aggregates, and keep the states."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from bridge.commands.events.stores import (
    aggregate_type_flag,
    chosen_projection,
    open_store,
    projection_flag,
    type_of,
)
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK, BridgeError, ConfigError

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.eventsourcing import DomainEvent, EventStore
    from bridge.eventsourcing.storage import EventStorage

_PAGE = 1000
_Fold = Callable[[Any, "DomainEvent"], Any]


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    snapshot = add_verb(subparsers, "snapshot", "keep the states of aggregates", _snapshot)
    snapshot.add_argument("id", nargs="?", help="of the aggregate; all of the type by default")
    aggregate_type_flag(snapshot)
    snapshot.add_argument(
        "--apply",
        required=True,
        metavar="MODULE:FUNCTION",
        help="takes a state and an event, and returns the next state",
    )
    snapshot.add_argument(
        "--initial", default="{}", metavar="JSON", help="state before the first event ({})"
    )
    snapshot.add_argument(
        "--version", type=int, default=1, metavar="N", help="of the schema of the state (1)"
    )
    snapshot.add_argument(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="of a type, only aggregates with so many events behind their snapshot (1)",
    )
    projection_flag(snapshot)


def _snapshot(args: Namespace) -> int:
    from bridge.commands.output import print_json, progress
    from bridge.commands.settings import load_settings
    from bridge.eventsourcing import EventStore
    from sinks.routing import load_function

    if args.id is None and args.aggregate_type is None:
        raise ConfigError("No aggregate is named.", remedy="Give an id, or an --aggregate-type.")
    try:
        initial = json.loads(args.initial)
    except ValueError:
        raise ConfigError("--initial is not JSON.") from None
    config = load_settings(args)
    apply = cast("_Fold", load_function(args.apply, role="fold"))
    made = 0
    with (
        open_store(config, chosen_projection(config, args.projection)) as storage,
        progress("Folding", None) as advance,
    ):
        store = EventStore(storage)
        for kind, one in _aggregates(storage, args):
            made += _keep(store, kind, one, apply, initial, args.version)
            advance(1)
    if args.json:
        print_json({"snapshots": made})
    else:
        print(f"{made} snapshots were made." if made else "No snapshot is due.")
    return EXIT_OK


def _aggregates(storage: EventStorage, args: Namespace) -> Iterator[tuple[str, str]]:
    if args.id is not None:
        yield type_of(storage, args.id, args.aggregate_type), args.id
        return
    after: tuple[str, str] | None = (args.aggregate_type, "")
    while page := storage.aggregates(after, _PAGE):
        for head in page:
            if head.aggregate_type != args.aggregate_type:
                return
            kind, one, last, _ = head
            newest = storage.snapshot(kind, one, args.version)
            if last - (newest.last_sequence if newest else 0) >= args.every:
                yield kind, one
        after = page[-1].aggregate_type, page[-1].aggregate_id


def _keep(
    store: EventStore, kind: str, one: str, apply: _Fold, initial: object, version: int
) -> bool:
    """Keep the state of an aggregate. Returns False if the newest snapshot has it already."""
    from bridge.eventsourcing import Snapshot
    from bridge.eventsourcing.snapshots import fold_name

    last = 0

    @wraps(apply)
    def noting(state: Any, event: DomainEvent) -> Any:
        nonlocal last
        last = event.sequence
        try:
            return apply(state, event)
        except Exception as error:
            raise BridgeError(
                f"The fold failed with {type(error).__name__} at an event of type "
                f"{event.event_type}, sequence {last} of a {kind}.",
                remedy="See `pgbridge events show` for the event.",
            ) from error

    state = store.rebuild_state(one, initial, noting, aggregate_type=kind, snapshot_version=version)
    if not last:
        return False
    now = time.time_ns() // 1000
    store.save_snapshot(Snapshot(one, kind, now, last, state, version, fold_name(apply)))
    return True
