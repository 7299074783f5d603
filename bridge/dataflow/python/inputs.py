"""How the functions of a definition read changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from bridge.config.inputs import PROCESSING_TIME
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.core.relation import Relation
from bridge.dataflow.changelog import check_repeatable
from bridge.dataflow.inputs import (
    Input,
    Mode,
    Read,
    Reading,
    Rejection,
    operations,
    patterns,
)
from bridge.dataflow.places import at_place
from bridge.dataflow.python.definition import ProcessorInput
from bridge.dataflow.rows import row_of
from bridge.expressions import Expression
from bridge.expressions.operands import Moment

_PLAIN: Final = (bool, int, float, Decimal, str, bytes, type(None))


def make_python_input(
    given: ProcessorInput,
    value: Read,
    *,
    processor: str,
    max_ahead: int,
    mode: Mode = "append",
    place: str = "",
) -> Input:
    """Return the input of a definition in Python.

    Args:
        given: which changes, their keys and times.
        value: reads what the operator looks at; it may raise ``Rejection``.
        processor: name of the processor, for errors.
        max_ahead: how far a time may be ahead of its commit, in microseconds.
        mode: whether rows stay true.
        place: of the input, ``left.`` or ``right.``, for errors.

    Raises:
        ConfigError: an expression is wrong, or does not go with the mode.
    """
    expressions: list[Expression] = []

    def expression(kind: type[Expression], text: str, setting: str) -> Expression:
        with at_place(f"{place}{setting}"):
            made = kind(text)
            if mode == "changelog":
                check_repeatable(made)
        expressions.append(made)
        return made

    def check(relation: Relation) -> None:
        with at_place(f"Processor {processor!r}"):
            for made in expressions:
                made.check(relation)

    time: Read | None = None
    if not given.follows_commits:
        moment = given.time
        if isinstance(moment, str):
            time = expression(Moment, moment, "time")
        else:
            time = guarded(moment, "time")
    reading = Reading(
        tables=patterns(tuple(given.tables), f"{place}{processor}"),
        operations=operations(None if given.operations is None else tuple(given.operations), mode),
        key={
            name: expression(Expression, part, f"key {name}")
            if isinstance(part, str)
            else guarded(part, f"key {name}")
            for name, part in _key_parts(given, f"{place}key").items()
        },
        time=time,
        processing_time=given.time == PROCESSING_TIME,
        changelog=mode == "changelog",
        max_ahead=max_ahead,
    )
    return Input(processor, reading, value, check)


def _key_parts(given: ProcessorInput, place: str) -> Mapping[str, Any]:
    if isinstance(given.key, Mapping):
        return given.key
    with at_place(place):
        parts = {Expression(text).label: text for text in given.key}
        if len(parts) != len(given.key):
            raise ConfigError(
                "two parts have one name.",
                remedy="Write the key as a mapping, {name: expression}.",
            )
    return parts


def guarded(function: Callable[[CdcEvent], Any], what: str) -> Read:
    """Return a function of the user's whose failures and foreign values reject the event.

    Args:
        function: of an event.
        what: it reads, for the reason.
    """

    def read(event: CdcEvent) -> Any:
        try:
            value = function(event)
        except Exception as error:  # without its text, which may quote a value
            raise Rejection(f"{what} failed with {type(error).__name__}") from None
        foreign = foreign_type(value)
        if foreign is not None:
            raise Rejection(f"{what} gave a {foreign}, which is no plain data")
        return value

    return read


def kept(read: Read) -> Read:
    """Return the same function for values that become part of a state: with plain containers."""
    return lambda event: _plain(read(event))


def whole_row(event: CdcEvent) -> dict[str, Any]:
    """Return the row of a change by column, the old one where there is no new one."""
    return dict(event.relation.values(row_of(event)))


def foreign_type(value: Any) -> str | None:
    """Return the name of a type that is no plain data; None if all of the value is."""
    if isinstance(value, _PLAIN):
        return None
    if isinstance(value, Mapping):
        parts: Sequence[Any] = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        parts = value
    else:
        return type(value).__name__
    return next((found for found in map(foreign_type, parts) if found is not None), None)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value
