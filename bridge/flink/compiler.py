"""From processors to Flink SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bridge.config import Config
from bridge.config.inputs import InputConfig
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from bridge.dataflow import make_dataflows
from bridge.flink.joins import interval_joined
from bridge.flink.keys import key_columns, key_values
from bridge.flink.patterns import matched
from bridge.flink.results import insert
from bridge.flink.sources import Stream, Wanted, make_stream
from bridge.flink.topics import Topics, choose_sink, result_sinks
from bridge.flink.windows import aggregate_columns, windowed

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER: Final = """\
-- Made by pgbridge flink-sql. docs/flink.md says what means the same here and what does not.
-- Texts of timestamps, windows and dates are in UTC.
SET 'table.local-time-zone' = 'UTC';"""


def compile_processors(
    config: Config, relations: Sequence[Relation], *, sink: str | None = None
) -> str:
    """Return Flink SQL that gives the results of the processors.

    Args:
        config: with at least one processor.
        relations: the tables that the processors look at.
        sink: name of the Kafka sink whose topics are read; None for the only one.

    Raises:
        ConfigError: there is nothing to compile, or Flink SQL cannot express it; the error names
            the processor.
    """
    if not config.processors:
        raise ConfigError(
            "The configuration has no processors.", remedy="Define some under processors."
        )
    for processor in config.processors:
        with _named(processor):
            _check_language(processor)
    make_dataflows(config.processors)  # which says what is wrong with a definition itself
    chosen = choose_sink(config, sink)
    tables, inserts = [_HEADER], []
    for processor in config.processors:
        with _named(processor):
            topics = Topics(chosen, config.source.slot)
            compiled = _compile(config, processor, relations, topics)
        tables += compiled[0]
        inserts += compiled[1]
    body = "\n\n".join(inserts)
    return "\n\n".join([*tables, f"EXECUTE STATEMENT SET\nBEGIN\n{body}\nEND;"]) + "\n"


def _check_language(processor: ProcessorConfig) -> None:
    if processor.python is not None:
        raise ConfigError(
            "a function in Python cannot be written as SQL",
            remedy="Define it in the configuration, or run this processor in the bridge.",
        )
    for setting in ("late_to", "timed_out_to"):
        if getattr(processor, setting):
            raise ConfigError(
                f"Flink SQL tells neither late events nor what timed out, as {setting} does",
                remedy=f"Leave out {setting}, or run this processor in the bridge.",
            )


def _compile(
    config: Config, processor: ProcessorConfig, relations: Sequence[Relation], topics: Topics
) -> tuple[list[str], list[str]]:
    """Return the statements that create tables and views, and those that insert."""
    if processor.mode == "changelog" and processor.window is None:
        raise ConfigError(
            "Flink SQL has no joins in time and no patterns over rows that are taken back",
            remedy="Set mode: append.",
        )

    def stream(source: InputConfig, wanted: Mapping[str, Wanted], name: str) -> Stream:
        return make_stream(
            source,
            wanted,
            name=name,
            mode=processor.mode,
            out_of_orderness=processor.out_of_orderness,
            max_ahead=processor.max_ahead,
            relations=relations,
            topics=topics,
        )

    if processor.join is not None:
        kind = "join_result"
        streams, members, query = interval_joined(processor, stream, relations)
    elif processor.pattern is not None:
        kind = "pattern_match"
        streams, members, query = matched(processor, stream, relations)
    else:
        kind = "window_result"
        source = processor.input
        wanted = {**key_columns(source), **aggregate_columns(processor.aggregates)}
        streams = [stream(source, wanted, f"{processor.name}_events")]
        members, query = windowed(processor, streams[0], key_values(source, streams[0]))
    tables, inserts = insert(
        processor.name, kind, members, query, result_sinks(config, processor.to)
    )
    return [s for stream in streams for s in stream.statements] + tables, inserts


@contextmanager
def _named(processor: ProcessorConfig) -> Iterator[None]:
    """Let errors name the processor."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            f"The processor {processor.name or processor.python!r} cannot run on Flink: "
            f"{error.message}",
            remedy=error.remedy,
        ) from error
