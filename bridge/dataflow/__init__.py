"""Processors: from their definitions to dataflows that turn changes into results.

``docs/processors.md`` says how they are defined.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.dataflow.dataflow import Dataflow
from bridge.processing.partitions import PartitionMemory

__all__ = ["Dataflow", "changelog_tables", "make_dataflows"]


def make_dataflows(
    configs: Sequence[ProcessorConfig], memory: PartitionMemory | None = None
) -> list[Dataflow]:
    """Return a dataflow for each processor, in their order.

    Args:
        configs: the definitions.
        memory: for the states; None to keep them all.

    Raises:
        ConfigError: with the place of the setting that is wrong, ``processors[0].where``.
    """
    dataflows: list[Dataflow] = []
    places: dict[str, str] = {}
    for index, config in enumerate(configs):
        place = f"processors[{index}]"
        dataflow = _make(config, place, memory)
        if places.setdefault(dataflow.name, place) != place:
            raise ConfigError(
                f"{place}.name: {places[dataflow.name]} is called {dataflow.name!r}, too.",
                remedy="Give each processor a name of its own.",
            )
        dataflows.append(dataflow)
    return dataflows


def changelog_tables(configs: Sequence[ProcessorConfig]) -> tuple[str, ...]:
    """Return the tables of which processors have to get whole old rows, each once.

    Raises:
        ConfigError: a processor in Python cannot be found.
    """
    tables: list[str] = []
    for index, config in enumerate(configs):
        if config.python is not None:
            from bridge.dataflow.python import find_processor

            tables += find_processor(config, f"processors[{index}]").changelog_tables
        elif config.mode == "changelog" and config.from_ is not None:
            tables += config.from_.tables
    return tuple(dict.fromkeys(tables))


def _make(config: ProcessorConfig, place: str, memory: PartitionMemory | None) -> Dataflow:
    # Imported on use: the parser of SQL costs time and memory.
    if config.python is not None:
        from bridge.dataflow.python import load_processor

        return load_processor(config, place, memory)
    if config.join is not None:
        from bridge.dataflow.joins import make_join

        return make_join(config, place, memory)
    if config.pattern is not None:
        from bridge.dataflow.patterns import make_pattern

        return make_pattern(config, place, memory)
    from bridge.dataflow.definitions import make_windows

    return make_windows(config, place, memory)
