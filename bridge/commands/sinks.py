"""``pgbridge sinks``: where each sink stands; pause one, or let it go on."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from bridge.commands.output import iso_time, print_json, print_table
from bridge.commands.parsing import add_verb, add_verbs_below
from bridge.commands.processors import processing_state
from bridge.core.errors import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.commands.parsing import Subparsers
    from bridge.config import Config
    from bridge.core.events import Position
    from bridge.runtime.sink_states import Pause


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb and the verbs below it."""
    verbs = add_verbs_below(add_verb(subparsers, "sinks", "list, pause or resume sinks"))
    add_verb(verbs, "list", "list the sinks and where each of them stands", _list)
    pause = add_verb(verbs, "pause", "give a sink nothing more until it is resumed", _pause)
    pause.add_argument("name", help="of the sink")
    resume = add_verb(verbs, "resume", "let a paused sink go on", _resume)
    resume.add_argument("name", help="of the sink")


def sink_states(config: Config) -> list[dict[str, Any]]:
    """Return what is known of each configured sink, also before the first run and while one runs.

    ``position`` is up to where the target holds the events. ``waiting_events`` and
    ``waiting_bytes`` are what an optional sink's spill holds for it; None for a required sink,
    whose events wait in the slot. For a sink that gets results, ``waiting_events`` are those that
    the store of the processors holds for it; None while that cannot be read.
    """
    from bridge.core.errors import EnvironmentProblem
    from bridge.fanout import spill_directory
    from bridge.runtime.dead_letters import DeadLetterStore
    from bridge.runtime.sink_states import SinkStates
    from bridge.runtime.spill.segments import waiting_in
    from bridge.runtime.state import StateStore

    slot = config.source.slot
    positions: Mapping[str, Position] = {}
    delivered: Mapping[str, Position] = {}
    pauses: Mapping[str, Pause] = {}
    gaps: Mapping[str, Position | None] = {}
    parked: Mapping[str, int] = {}
    try:
        store = StateStore(config.state.dir, exclusive=False)
    except EnvironmentProblem:
        pass  # the bridge has not run yet
    else:
        with store:
            checkpoint = store.load_checkpoint(slot)
            positions = {} if checkpoint is None else checkpoint.positions
            states = SinkStates(store.file, slot)
            delivered, pauses, gaps = states.delivered(), states.pauses(), states.gaps()
            parked = DeadLetterStore(store.file).count()
    processing = processing_state(config) if config.result_sinks else None
    found = []
    for sink in config.sinks:
        position, waiting, pause = positions.get(sink.name), None, pauses.get(sink.name)
        if not sink.required:
            position = delivered.get(sink.name)
            directory = spill_directory(config.state.dir, slot) / sink.name
            waiting = waiting_in(directory, position)
        events = None if waiting is None else waiting.events
        if processing is not None and sink.name in config.result_sinks:
            known = processing["problem"] is None
            events = processing["waiting"].get(sink.name, 0) if known else None
        found.append(
            {
                "name": sink.name,
                "type": sink.type,
                "required": sink.required,
                "position": None if position is None else str(position),
                "waiting_events": events,
                "waiting_bytes": None if waiting is None else waiting.bytes,
                "paused": None if pause is None else pause.reason,
                "paused_at": None if pause is None else iso_time(pause.paused_at),
                "misses_events": sink.name in gaps,
                "dead_letters": parked.get(sink.name, 0),
            }
        )
    return found


def print_sinks(states: list[dict[str, Any]]) -> None:
    """Print them as a table."""
    print_table(
        ("sink", "type", "required", "position", "waiting", "bytes", "dead letters", "paused"),
        [
            (
                state["name"],
                state["type"],
                "yes" if state["required"] else "no",
                state["position"],
                state["waiting_events"],
                state["waiting_bytes"],
                state["dead_letters"],
                _paused(state),
            )
            for state in states
        ],
    )


def _paused(state: dict[str, Any]) -> str | None:
    notes = []
    if state["paused"] is not None:
        notes.append(f"{state['paused']}, since {state['paused_at']}")
    if state["misses_events"]:
        notes.append("misses events")
    return "; ".join(notes) or None


def _list(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    states = sink_states(load_settings(args))
    if args.json:
        print_json(states)
    else:
        print_sinks(states)
    return EXIT_OK


def _pause(args: Namespace) -> int:
    from bridge.runtime.sink_states import BY_OPERATOR

    config = _configuration_with(args)
    required = next(sink.required for sink in config.sinks if sink.name == args.name)
    _decide(config, args.name, BY_OPERATOR)
    if args.json:
        print_json({"name": args.name, "paused": BY_OPERATOR})
    elif args.name in config.result_sinks:
        print(f"Sink {args.name} is paused. Its results wait in the store of the processors.")
    elif required:
        print(f"Sink {args.name} is paused. It is required: the server keeps WAL meanwhile.")
    else:
        print(f"Sink {args.name} is paused. Its events wait in its spill.")
    return EXIT_OK


def _resume(args: Namespace) -> int:
    _decide(_configuration_with(args), args.name, None)
    if args.json:
        print_json({"name": args.name, "paused": None})
    else:
        print(f"Sink {args.name} goes on.")
    return EXIT_OK


def _configuration_with(args: Namespace) -> Config:
    from bridge.commands.settings import configured_sink, load_settings

    config = load_settings(args)
    configured_sink(config, args.name)
    return config


def _decide(config: Config, name: str, pause: str | None) -> None:
    from bridge.runtime.sink_states import SinkStates
    from bridge.runtime.state import StateStore

    with StateStore(config.state.dir, exclusive=False) as store:
        states = SinkStates(store.file, config.source.slot)
        if pause is None:
            states.resume(name)
        else:
            states.pause(name, pause, time.time())
