"""What ``pgbridge status`` says of projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.commands.output import print_table

if TYPE_CHECKING:
    from bridge.config import Config


def projection_states(config: Config) -> list[dict[str, Any]]:
    """Return what is known of each configured projection, also before the first run.

    ``position`` is up to where the events are stored, as the checkpoint of the bridge knows it;
    the store itself may be a little further.
    """
    from bridge.core.errors import EnvironmentProblem
    from bridge.core.events import Position
    from bridge.runtime.dead_letters import DeadLetterStore
    from bridge.runtime.projecting.worker import participant
    from bridge.runtime.state import StateStore

    positions: dict[str, Position] = {}
    parked: dict[str, int] = {}
    if not config.projections:
        return []
    try:
        store = StateStore(config.state.dir, exclusive=False)
    except EnvironmentProblem:
        pass  # the bridge has not run yet
    else:
        with store:
            checkpoint = store.load_checkpoint(config.source.slot)
            positions = {} if checkpoint is None else dict(checkpoint.positions)
            parked = DeadLetterStore(store.file).count()
    states = []
    for projection in config.projections:
        position = positions.get(participant(projection.name))
        states.append(
            {
                "name": projection.name,
                "store": projection.store.type,
                "position": None if position is None else str(position),
                "dead_letters": parked.get(f"projection:{projection.name}", 0),
            }
        )
    return states


def print_projections(states: list[dict[str, Any]]) -> None:
    """Print them as a table."""
    names = ("name", "store", "position", "dead_letters")
    print_table(
        ("projection", "store", "position", "dead letters"),
        [tuple(state[name] for name in names) for state in states],
    )
