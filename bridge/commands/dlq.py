"""``pgbridge dlq``: look at dead letters, give them to their sink again, or delete them."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bridge.commands.output import iso_time, note, print_json, print_table, printable, progress
from bridge.commands.parsing import add_verb, add_verbs_below
from bridge.commands.settings import configured_sink
from bridge.core.errors import EXIT_OK, EXIT_RUNTIME, ConfigError

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.config import Config
    from bridge.runtime.dead_letters import DeadLetter, DeadLetterStore

_FLUSH_S = 60.0
_DAY_S = 86_400
_NO_SINKS = {
    "processor": (
        "what it tells depends on the order of changes",
        "Write the row once more, or let the corrected processor begin anew with the existing "
        "rows, as docs/processors.md says.",
    ),
    "projection": (
        "an event that comes late would tell another story",
        "Write the row once more, or append the event with: pgbridge events append.",
    ),
}
"""What has dead letters under its kind, a colon and its name; why they stay, and what helps."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb and the verbs below it."""
    verbs = add_verbs_below(add_verb(subparsers, "dlq", "list, show, replay or purge dead letters"))
    listing = add_verb(verbs, "list", "list the events that a sink has refused", _list)
    _sink_flag(listing)
    listing.add_argument("--limit", type=_count, default=100, help="at most so many (100)")
    listing.add_argument("--all", action="store_true", help="also those that were replayed")

    show = add_verb(verbs, "show", "show one dead letter with the values of its row", _show)
    show.add_argument("id", type=int, help="its number in the list")

    replay = add_verb(verbs, "replay", "give dead letters to their sink again", _replay)
    _sink_flag(replay)
    replay.add_argument("id", type=int, nargs="*", help="these only; all of the sink by default")

    purge = add_verb(verbs, "purge", "delete dead letters that were replayed", _purge)
    _sink_flag(purge)
    purge.add_argument("id", type=int, nargs="*", help="these only")
    purge.add_argument("--older-than-days", type=float, metavar="N", help="parked so long ago")
    purge.add_argument(
        "--waiting", action="store_true", help="also those that were never replayed: they are lost"
    )


def _sink_flag(parser: ArgumentParser) -> None:
    parser.add_argument("--sink", metavar="NAME", help="of this sink only")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


@contextmanager
def _letters(config: Config, *, exclusive: bool) -> Iterator[DeadLetterStore]:
    from bridge.runtime.dead_letters import DeadLetterStore
    from bridge.runtime.state import StateStore

    with StateStore(config.state.dir, exclusive=exclusive) as store:
        yield DeadLetterStore(store.file)


def _list(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    with _letters(load_settings(args), exclusive=False) as letters:
        found = letters.list(args.sink, args.limit, with_replayed=args.all)
        waiting = letters.count()
    if args.json:
        print_json([_document(letter) for letter in found])
        return EXIT_OK
    if found:
        print_table(
            ("id", "sink", "position", "operation", "table", "tries", "parked", "reason"),
            [
                (
                    letter.id,
                    letter.sink,
                    letter.position,
                    letter.operation,
                    None if letter.table is None else f"{letter.schema}.{letter.table}",
                    letter.attempts,
                    iso_time(letter.parked_at),
                    letter.reason if letter.replayed_at is None else "(replayed)",
                )
                for letter in found
            ],
        )
    total = ", ".join(f"{count} of {sink}" for sink, count in waiting.items())
    print(f"Waiting: {total}." if total else "No dead letters wait.")
    return EXIT_OK


def _document(letter: DeadLetter) -> dict[str, Any]:
    replayed_at = letter.replayed_at
    return {
        **asdict(letter),
        "position": str(letter.position),
        "parked_at": iso_time(letter.parked_at),
        "replayed_at": None if replayed_at is None else iso_time(replayed_at),
    }


def _show(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    with _letters(load_settings(args), exclusive=False) as letters:
        letter = _existing(letters, args.id)
        native = letters.native_json(args.id).decode("utf-8", "backslashreplace")
    document = _document(letter)
    if args.json:  # the event as it was stored: parsing it would round its numbers
        print(f'{json.dumps(document, ensure_ascii=False)[:-1]}, "event": {native}}}')
        return EXIT_OK
    for name, value in document.items():
        print(f"{name}: {printable(str(value))}")
    print(f"event: {printable(native)}")
    return EXIT_OK


def _existing(letters: DeadLetterStore, letter_id: int) -> DeadLetter:
    letter = letters.get(letter_id)
    if letter is None:
        raise ConfigError(
            f"There is no dead letter {letter_id}.", remedy="See: pgbridge dlq list --all"
        )
    return letter


def _replay(args: Namespace) -> int:
    from bridge.commands.settings import load_settings
    from bridge.runtime.replay import Replay, Replayed
    from bridge.selecting import make_selection
    from sinks.registry import sink_class

    config = load_settings(args)
    total = Replayed()
    with _letters(config, exclusive=True) as letters:
        only = set(args.id) or None
        for name in _sinks_to_replay(args, letters):
            sink = configured_sink(config, name)
            replay = Replay(
                name=name,
                slot=config.source.slot,
                sink=sink_class(sink.type)(sink.settings),
                selection=make_selection(sink),
                letters=letters,
                flush_s=_FLUSH_S,
                clock=time.time,
            )
            steps = len(only) if only else letters.count().get(name, 0)
            with progress(f"Replaying into {name}", steps) as advance:
                done = replay.run(only, advance)
            total.accepted += done.accepted
            total.refused += done.refused
            total.left_out += done.left_out
    if args.json:
        print_json(asdict(total))
    else:
        note(f"{total.accepted} replayed, {total.refused} refused again.")
        if total.left_out:
            note(f"{total.left_out} still wait: the filter of their sink leaves them out now.")
    return EXIT_RUNTIME if total.refused else EXIT_OK


def _sinks_to_replay(args: Namespace, letters: DeadLetterStore) -> list[str]:
    """Return the sinks of the entries that are asked for.

    Raises:
        ConfigError: one of the entries is not of a sink.
    """
    asked = {_existing(letters, letter_id).sink for letter_id in args.id}
    if args.sink is not None:
        asked = {args.sink}
    if not asked:
        waiting = letters.count()
        for name, count in waiting.items():
            if (kind := _kind(name)) in _NO_SINKS:
                note(f"{count} of {name} stay: the {kind} has gone on without them.")
        return sorted(name for name in waiting if _kind(name) not in _NO_SINKS)
    for name in sorted(asked):
        if (kind := _kind(name)) in _NO_SINKS:
            reason, remedy = _NO_SINKS[kind]
            raise ConfigError(
                f"Dead letters of {name} cannot be replayed: the {kind} has gone on without "
                f"them, and {reason}.",
                remedy=f"{remedy} Then forget the entries: "
                f"pgbridge dlq purge --sink {name} --waiting",
            )
    return sorted(asked)


def _kind(name: str) -> str:
    """Return what has dead letters under a name; nothing for a sink."""
    kind, colon, _ = name.partition(":")
    return kind if colon else ""


def _purge(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    days = args.older_than_days
    before = None if days is None else time.time() - days * _DAY_S
    with _letters(load_settings(args), exclusive=False) as letters:
        purged = sum(
            letters.purge(args.sink, letter_id=letter_id, before=before, with_waiting=args.waiting)
            for letter_id in args.id or [None]
        )
    if args.json:
        print_json({"purged": purged})
    else:
        print(f"{purged} purged.")
    return EXIT_OK
