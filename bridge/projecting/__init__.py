"""Projections: changes become domain events in an event store, in commit order and exactly once.

``docs/projections.md`` says how they are defined.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.config.projections import ProjectionConfig
from bridge.projecting.projection import Projection

__all__ = ["Projection", "make_projections"]


def make_projections(configs: Sequence[ProjectionConfig]) -> list[Projection]:
    """Return the projections, in their order.

    Args:
        configs: the definitions.

    Raises:
        ConfigError: with the place of the setting that is wrong,
            ``projections[0].aggregates[1].id``.
    """
    return [_make(config, f"projections[{index}]") for index, config in enumerate(configs)]


def _make(config: ProjectionConfig, place: str) -> Projection:
    # Imported on use: the parser of SQL costs time and memory.
    if config.python is not None:
        from bridge.projecting.python import PythonEvents, find_projection

        return Projection(config.name, [PythonEvents(find_projection(config, place))])
    from bridge.projecting.aggregates import AggregateEvents
    from bridge.projecting.outbox import OutboxEvents

    sources: list[AggregateEvents | OutboxEvents] = [
        AggregateEvents(aggregate, f"{place}.aggregates[{n}]")
        for n, aggregate in enumerate(config.aggregates)
    ]
    sources += [
        OutboxEvents(outbox, f"{place}.outbox[{n}]") for n, outbox in enumerate(config.outbox)
    ]
    return Projection(config.name, sources, messages=config.messages)
