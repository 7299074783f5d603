"""What ``pgbridge status`` and ``pgbridge sinks`` say of processors and their results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bridge.commands.output import print_table

if TYPE_CHECKING:
    from bridge.config import Config
    from bridge.config.processors import ProcessorConfig
    from bridge.processing.state.store import StateStore


def processing_state(config: Config) -> dict[str, Any] | None:
    """Return where the processors stand, also while a bridge runs.

    ``position`` is up to where the changes are in the states, ``results`` how many there were,
    ``waiting`` how many of them wait, by sink, ``stored_bytes`` how large the state of each
    processor is in the store, and ``figures`` what it said of itself with the last checkpoint.
    ``problem`` says why the store cannot be read now; all else is empty then.

    Returns:
        None before the first run.
    """
    from bridge.core.errors import EnvironmentProblem, Transient
    from bridge.processing.state.figures import stored_figures

    found: dict[str, Any] = {
        "store": config.processing.store.type,
        "position": None,
        "results": 0,
        "waiting": {},
        "stored_bytes": {},
        "figures": {},
        "problem": None,
    }
    try:
        store = _look_at_store(config)
        if store is None:
            return None
        try:
            checkpoint, sizes = store.load(()), store.sizes()
            found["waiting"] = dict(store.waiting())
            found["figures"] = stored_figures(store, sizes)
        finally:
            store.close()
    except (EnvironmentProblem, Transient) as error:  # the rest is worth showing all the same
        return {**found, "problem": error.message}
    stored: Counter[str] = Counter()
    for name, size in sizes.items():
        # A name is that of a processor, 12 digits for its definition, and then of a part.
        stored[name.partition("/")[0].rpartition("-")[0]] += size
    found["stored_bytes"] = dict(stored)
    if checkpoint is not None:
        found["position"] = None if checkpoint.position is None else str(checkpoint.position)
        found["results"] = checkpoint.sequence
    return found


def _look_at_store(config: Config) -> StateStore | None:
    """Open the store without taking it away from a bridge; None if there is none yet."""
    settings, source = config.processing.store, config.source
    if settings.type == "sqlite":
        from bridge.runtime.processing.sqlite_store import FILE_NAME, SqliteStateStore

        if not (config.state.dir / FILE_NAME).exists():
            return None
        return SqliteStateStore(config.state.dir, source.slot)
    from bridge.postgres.processor_state import NoState, PostgresStateStore
    from bridge.store_database import store_database

    database = store_database(settings.dsn, source)
    try:
        return PostgresStateStore(database, source.slot, schema=settings.schema, reading=True)
    except NoState:
        return None


def processor_states(config: Config, processing: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the configured processors, with their dead letters and what their store says.

    Args:
        config: the configuration.
        processing: what ``processing_state`` returned.
    """
    from bridge.core.errors import EnvironmentProblem
    from bridge.runtime.dead_letters import DeadLetterStore
    from bridge.runtime.state import StateStore

    parked: dict[str, int] = {}
    try:
        with StateStore(config.state.dir, exclusive=False) as store:
            parked = DeadLetterStore(store.file).count()
    except EnvironmentProblem:
        pass  # the bridge has not run yet
    known = processing or {"figures": {}, "stored_bytes": {}}
    names = [_name_of(processor, i) for i, processor in enumerate(config.processors)]
    return [
        {
            "name": name,
            "sinks": list(processor.targets),
            "dead_letters": parked.get(f"processor:{name}", 0),
            "stored_bytes": known["stored_bytes"].get(name),
            "figures": known["figures"].get(name),
        }
        for name, processor in zip(names, config.processors, strict=True)
    ]


def _name_of(processor: ProcessorConfig, index: int) -> str:
    """Return the name of a processor, which in Python its function has; else how it is found."""
    if processor.python is None:
        return processor.name
    from bridge.core.errors import ConfigError
    from bridge.dataflow.python import find_processor

    try:
        return find_processor(processor, f"processors[{index}]").name
    except ConfigError:
        return processor.python


def print_processors(processors: list[dict[str, Any]], state: dict[str, Any] | None) -> None:
    """Print both as a table."""
    print_table(
        ("processor", "sinks", "events", "late", "results", "stored bytes", "dead letters"),
        [
            (
                it["name"],
                ", ".join(it["sinks"]),
                *((it["figures"] or {}).get(name) for name in ("events", "late", "results")),
                it["stored_bytes"],
                it["dead_letters"],
            )
            for it in processors
        ],
    )
    if state is None:
        return
    if state["problem"] is not None:
        print(f"\nThe store of the processors cannot be read: {state['problem']}")
        return
    waiting = sum(state["waiting"].values())
    print(
        f"\nProcessed up to {state['position']}, {state['results']} results, {waiting} wait "
        f"({state['store']})."
    )
