"""Processors: from their definitions to dataflows that turn changes into results.

``docs/processors.md`` says how they are defined.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.dataflow.dataflow import Dataflow

__all__ = ["Dataflow", "make_dataflows"]


def make_dataflows(configs: Sequence[ProcessorConfig]) -> list[Dataflow]:
    """Return a dataflow for each processor, in their order.

    Raises:
        ConfigError: with the place of the setting that is wrong, ``processors[0].where``.
    """
    dataflows: list[Dataflow] = []
    places: dict[str, str] = {}
    for index, config in enumerate(configs):
        place = f"processors[{index}]"
        dataflow = _make(config, place)
        if places.setdefault(dataflow.name, place) != place:
            raise ConfigError(
                f"{place}.name: {places[dataflow.name]} is called {dataflow.name!r}, too.",
                remedy="Give each processor a name of its own.",
            )
        dataflows.append(dataflow)
    return dataflows


def _make(config: ProcessorConfig, place: str) -> Dataflow:
    # Imported on use: the parser of SQL costs time and memory.
    if config.python is not None:
        from bridge.dataflow.python import load_processor

        return load_processor(config, place)
    if config.join is not None:
        from bridge.dataflow.joins import make_join

        return make_join(config, place)
    if config.pattern is not None:
        from bridge.dataflow.patterns import make_pattern

        return make_pattern(config, place)
    from bridge.dataflow.definitions import make_windows

    return make_windows(config, place)
