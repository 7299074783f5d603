"""``pgbridge status``: where the slot, the sinks and the dead letters stand."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bridge.commands.output import print_json, print_table
from bridge.commands.parsing import add_verb
from bridge.commands.processors import print_processors, processing_state, processor_states
from bridge.commands.projections import print_projections, projection_states
from bridge.commands.sinks import print_sinks, sink_states
from bridge.core.errors import EXIT_OK

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.config import Config


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    add_verb(subparsers, "status", "show where the slot, the sinks and dead letters stand", _status)


def _status(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    config = load_settings(args)
    found = {"slot": _slot(config), **_state(config)}
    if args.json:
        print_json(found)
        return EXIT_OK
    slot = found["slot"]
    if slot is None:
        print(f"Slot {config.source.slot} does not exist: the bridge has not run yet.")
    else:
        rows = [(name.replace("_", " "), value) for name, value in slot.items()]
        print_table(("slot", slot["name"]), rows[1:])
    if found["sinks"]:
        print()
        print_sinks(found["sinks"])
    if found["processors"]:
        print()
        print_processors(found["processors"], found["processing"])
    if found["projections"]:
        print()
        print_projections(found["projections"])
    return EXIT_OK


def _slot(config: Config) -> dict[str, Any] | None:
    from bridge.core.lsn import format_lsn
    from bridge.postgres.connection import Database
    from bridge.postgres.slots import ReplicationConfig, ReplicationSlotManager

    database = Database(config.source.sql_dsn or config.source.dsn)
    slot = ReplicationSlotManager(ReplicationConfig(), database).get_slot(config.source.slot)
    if slot is None:
        return None
    confirmed = slot.confirmed_flush_lsn
    return {
        "name": slot.name,
        "active": slot.active,
        "confirmed": None if confirmed is None else format_lsn(confirmed),
        "retained_bytes": slot.lag.retained_bytes,
        "unconfirmed_bytes": slot.lag.unconfirmed_bytes,
        "wal_status": slot.wal_status,
    }


def _state(config: Config) -> dict[str, Any]:
    from bridge.core.errors import EnvironmentProblem
    from bridge.core.lsn import format_lsn
    from bridge.runtime.state import StateStore

    checkpoint = None
    with suppress(EnvironmentProblem), StateStore(config.state.dir, exclusive=False) as store:
        checkpoint = store.load_checkpoint(config.source.slot)
    processing = processing_state(config) if config.processors else None
    return {
        "phase": None if checkpoint is None else checkpoint.phase.value,
        "checkpoint": None if checkpoint is None else format_lsn(checkpoint.confirmed),
        "sinks": sink_states(config),
        "processors": processor_states(config, processing),
        "processing": processing,
        "projections": projection_states(config),
    }
