"""What ``pgbridge status`` and ``pgbridge sinks`` say of processors and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.commands.output import print_table

if TYPE_CHECKING:
    from bridge.config import Config


def processing_state(config: Config) -> dict[str, Any] | None:
    """Return where the processors stand, also while a bridge runs.

    ``position`` is up to where the changes are in the states, ``results`` how many there were, and
    ``waiting`` how many of them wait, by sink.

    Returns:
        None before the first run, and if the store is not a file: opening another one would take
        it away from the bridge.
    """
    from bridge.runtime.processing.sqlite_store import FILE_NAME, SqliteStateStore

    settings = config.processing.store
    if settings.type != "sqlite" or not (config.state.dir / FILE_NAME).exists():
        return None
    store = SqliteStateStore(config.state.dir, config.source.slot)
    try:
        found, waiting = store.load(()), dict(store.waiting())
    finally:
        store.close()
    position = None if found is None else found.position
    return {
        "position": None if position is None else str(position),
        "results": 0 if found is None else found.sequence,
        "waiting": waiting,
    }


def processor_states(config: Config) -> list[dict[str, Any]]:
    """Return the configured processors, each with the number of its dead letters."""
    from bridge.core.errors import EnvironmentProblem
    from bridge.runtime.dead_letters import DeadLetterStore
    from bridge.runtime.state import StateStore

    parked: dict[str, int] = {}
    try:
        with StateStore(config.state.dir, exclusive=False) as store:
            parked = DeadLetterStore(store.file).count()
    except EnvironmentProblem:
        pass  # the bridge has not run yet
    return [
        {
            "name": processor.name,
            "sinks": list(processor.targets),
            "dead_letters": parked.get(f"processor:{processor.name}", 0),
        }
        for processor in config.processors
    ]


def print_processors(processors: list[dict[str, Any]], state: dict[str, Any] | None) -> None:
    """Print both as a table."""
    print_table(
        ("processor", "sinks", "dead letters"),
        [(it["name"], ", ".join(it["sinks"]), it["dead_letters"]) for it in processors],
    )
    if state is not None:
        waiting = sum(state["waiting"].values())
        print(f"\nProcessed up to {state['position']}, {state['results']} results, {waiting} wait.")
