"""What a join keeps of its rows, and how its results show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from bridge.dataflow.inputs import Input, Read
from bridge.dataflow.places import at_place
from bridge.dataflow.results import key_json, object_json, row_id_of
from bridge.dataflow.rows import Selected, row_json
from bridge.expressions import Expression, compile_value
from bridge.processing.events import StreamEvent
from bridge.processing.joins import JoinResult
from bridge.processing.joins.inputs import Side
from bridge.processing.state.results import Result

SIDES: Final[tuple[Side, Side]] = ("left", "right")

Members: TypeAlias = Callable[[StreamEvent | None, StreamEvent | None], str | None]
"""Returns the JSON members that show a left and a right row; None for no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinParts:
    """A join, in whatever language it was defined.

    Attributes:
        name: of the processor.
        state_name: under which it keeps its state.
        place: of the definition, for errors.
        left: the left input.
        right: the right input, or the table.
        members: what results show of their rows.
        sinks: names of those that get results.
        late_sinks: names of those that get late events.
    """

    name: str
    state_name: str
    place: str
    left: Input
    right: Input
    members: Members
    sinks: tuple[str, ...]
    late_sinks: tuple[str, ...] = ()


class JoinOutput:
    """Writes the results of a join.

    Args:
        parts: of the join.
    """

    def __init__(self, parts: JoinParts) -> None:
        self._processor = parts.name
        self._aliases = parts.left.aliases
        self._members = parts.members
        self._sinks = parts.sinks

    def write(self, rows: Sequence[JoinResult]) -> list[Result]:
        """Return rows as results."""
        results = []
        for row in rows:
            members = self._members(row.left, row.right)
            if members is not None:
                results.append(self._result(row, members))
        return results

    def _result(self, row: JoinResult, members: str) -> Result:
        key: Any = row.key
        return Result(
            id=row.id,
            type="join_result",
            processor=self._processor,
            timestamp=row.timestamp,
            row_id=row_id_of(key),
            members=(
                f'"processor":"{self._processor}","key":{key_json(self._aliases, key)},'
                f'{members},"timestamp":{row.timestamp}'
            ),
            sinks=self._sinks,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value that a result of a join has.

    Attributes:
        name: in results.
        side: whose row it is read from.
        index: its number among the values of that side.
    """

    name: str
    side: Side
    index: int


class Select:
    """What a join keeps of its rows, and what its results show of them.

    Args:
        select: by name in results, expressions over ``left`` or ``right``; without any, the rows.
        place: of the processor, for errors.

    Raises:
        ConfigError: with the place, if an expression is wrong or does not read just one side.
    """

    def __init__(self, select: Mapping[str, str], place: str) -> None:
        self._expressions: dict[Side, dict[str, Expression]] = {"left": {}, "right": {}}
        self._choices: list[Choice] = []
        for name, text in select.items():
            at = f"{place}.select.{name}"
            with at_place(at):
                expression = compile_value(text, rows=SIDES)
                side = _only_side(expression)
                mine = self._expressions[side]
                self._choices.append(Choice(name=name, side=side, index=len(mine)))
                mine[at] = expression

    def value(self, side: Side) -> Read:
        """Return what reads of an event what is kept of it: JSON, as plain data."""
        return Selected(tuple(self._expressions[side].values())) if self._choices else row_json

    def check(self, side: Side, relation: Relation) -> None:
        """Check that a table of a side has the columns.

        Raises:
            ConfigError: with the place of the expression.
        """
        for at, expression in self._expressions[side].items():
            with at_place(at):
                expression.check(relation)

    def members(self, left: StreamEvent | None, right: StreamEvent | None) -> str:
        """Return the members of a result that show the rows."""
        if not self._choices:
            shown = [
                (side, "null" if of is None else of.value)
                for side, of in (("left", left), ("right", right))
            ]
            return ",".join(f'"{side}":{row}' for side, row in shown)
        kept = {"left": left, "right": right}
        values = object_json((c.name, _piece(kept[c.side], c.index)) for c in self._choices)
        return f'"values":{values}'


def _piece(of: StreamEvent | None, index: int) -> str:
    piece: str | None = None if of is None else of.value[index]
    return "null" if piece is None else piece


def _only_side(expression: Expression) -> Side:
    sides = {row for row, _ in expression.columns}
    if len(sides) != 1:
        problem = "both sides" if sides else "no side"
        raise ConfigError(
            f"The expression {expression.text!r} reads {problem} of the join.",
            remedy="Let each value read one side, left or right; what needs both can be computed "
            "from two values.",
        )
    (side,) = sides
    return "left" if side == "left" else "right"
