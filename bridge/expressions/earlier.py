"""What conditions of patterns say of earlier events: ``last(small.amount)``, ``count(small)``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlglot import exp

from bridge.expressions.errors import wrong
from bridge.expressions.names import nearest
from bridge.expressions.tree import Earlier

FUNCTIONS: Final = ("first", "last", "sum", "count")


def read_earlier(text: str, call: exp.Anonymous, at: int, steps: Collection[str]) -> Earlier:
    """Read a call of one of ``FUNCTIONS``.

    Args:
        text: the expression, for errors.
        call: as sqlglot read it.
        at: where it stands.
        steps: names of the steps that there are.

    Raises:
        ConfigError: with the place, if it is not about a step and one of its columns.
    """
    function: Any = call.name.lower()
    argument = call.expressions[0] if len(call.expressions) == 1 else None
    if not isinstance(argument, exp.Column) or not isinstance(argument.this, exp.Identifier):
        argument = None
    parts = [] if argument is None else [_name(part) for part in argument.parts]
    if len(parts) != (1 if function == "count" else 2):
        form = "count(step)" if function == "count" else f"{function}(step.column)"
        raise wrong(text, at, f"in the condition of a step this is written {form}")
    if parts[0] not in steps:
        raise wrong(text, at, f"there is no step {parts[0]}{nearest(parts[0], steps)}")
    return Earlier(function, parts[0], parts[1] if parts[1:] else "", at)


def _name(identifier: Any) -> str:
    name: str = identifier.name
    return name if identifier.args.get("quoted") else name.lower()
