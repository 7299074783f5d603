"""How a sink chooses the key of a message: what has the same key keeps its order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.core.values import Value
from sinks.formats import Format
from sinks.templates import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyExpression:
    """A key that is computed.

    Attributes:
        expression: SQL over the columns of the row, such as ``new.tenant || '/' || new.id``.
    """

    expression: str = field(metadata={"min_length": 1})

    def __post_init__(self) -> None:
        _compile(self.expression)


KeyStrategy: TypeAlias = Literal["row_id", "table", "transaction"] | tuple[str, ...] | KeyExpression
"""The type of the setting ``key``: a word, a list of columns, or ``{expression: ...}``."""

Key: TypeAlias = Callable[[CdcEvent], str | None]

_QUALIFIED_NAME = Template("{schema}.{table}")


def make_key(strategy: KeyStrategy, fmt: Format) -> Key:
    """Return the function from an event to its key in the form of ``fmt``.

    Where the strategy finds none (a table without a key, or without the columns; an expression
    that gives NULL), the key is that of the next one in the row: columns or expression, ``row_id``,
    ``table``. So an event always has a key, and the events of one table keep their order.

    Args:
        strategy: ``row_id``, ``table``, ``transaction``, names of columns, or an expression.
        fmt: the format of the messages.

    Raises:
        ConfigError: the expression cannot be used. The returned function raises it too, if the
            table lacks a column that the expression names, and ``EvaluationError`` if there is no
            value for an event.
    """

    def table(event: CdcEvent) -> str:
        return fmt.text_key(_QUALIFIED_NAME.render(event))

    def row_id(event: CdcEvent) -> str:
        key = fmt.key(event)
        return table(event) if key is None else key

    def transaction(event: CdcEvent) -> str:
        xid = event.transaction_id
        return row_id(event) if xid is None else fmt.text_key(xid)

    match strategy:
        case "row_id":
            return row_id
        case "table":
            return table
        case "transaction":
            return transaction
        case KeyExpression(expression=text):
            return _computed(text, fmt, row_id)
        case str():
            raise ConfigError(
                f"There is no key called {strategy!r}.",
                remedy="Choose row_id, table or transaction, or list columns: [tenant_id].",
            )
        case columns:
            return _of_columns(tuple(columns), fmt, row_id)


def _of_columns(columns: tuple[str, ...], fmt: Format, otherwise: Callable[[CdcEvent], str]) -> Key:
    def key(event: CdcEvent) -> str:
        found = None if event.schema is None else fmt.key(event, columns)
        return otherwise(event) if found is None else found

    return key


def _computed(text: str, fmt: Format, otherwise: Callable[[CdcEvent], str]) -> Key:
    expression = _compile(text)

    def key(event: CdcEvent) -> str:
        value = expression(event)
        return otherwise(event) if value is None else fmt.text_key(_text(value))

    return key


def _compile(text: str) -> Callable[[CdcEvent], Value]:
    # Imported here: only who has an expression needs the parser.
    from bridge.expressions import compile_value

    return compile_value(text)


def _text(value: Value) -> str:
    match value:
        case str():
            return value
        case bool() | list():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)
