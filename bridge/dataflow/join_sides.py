"""What both sides of a join have in common: the values that they keep, keys that fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from bridge.config.durations import duration_us
from bridge.config.inputs import InputConfig
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from bridge.dataflow.inputs import Input, Read, make_input
from bridge.dataflow.places import at_place
from bridge.dataflow.results import key_json, object_json, row_id_of
from bridge.dataflow.rows import Selected, row_json
from bridge.expressions import Expression, compile_value
from bridge.processing.events import Key, StreamEvent
from bridge.processing.joins import JoinResult
from bridge.processing.state.results import Result

Side: TypeAlias = Literal["left", "right"]

SIDES: Final[tuple[Side, Side]] = ("left", "right")


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


class KeyKinds:
    """Notices keys that can never be equal, such as numbers on one side and texts on the other.

    Args:
        place: of the processor, for errors.
        parts: how many parts a key has.
    """

    def __init__(self, place: str, parts: int) -> None:
        self._place = place
        self._kinds: dict[Side, list[str | None]] = {side: [None] * parts for side in SIDES}
        self._open = True

    def check(self, side: Side, key: Key) -> None:
        """Look at a key.

        Raises:
            ConfigError: the other side had one of another kind.
        """
        if not self._open or not isinstance(key, tuple):
            return
        kinds = self._kinds[side]
        for i, part in enumerate(key):
            if kinds[i] is None and part is not None:
                kinds[i] = _kind(part)
        self._open = False
        for i, (left, right) in enumerate(zip(*self._kinds.values(), strict=True)):
            if left is None or right is None:
                self._open = True
            elif left != right:
                raise ConfigError(
                    f"{self._place}: part {i + 1} of the key is {left} on the left side and "
                    f"{right} on the right side, so that they are never equal.",
                    remedy='Cast one of them, such as key: ["order_id::text"].',
                )


def _kind(part: Any) -> str:
    if isinstance(part, bool):
        return "a boolean"
    if isinstance(part, int | float | Decimal):
        return "a number"
    return "an array" if isinstance(part, tuple) else "a text"


def check_sides(config: ProcessorConfig, place: str) -> tuple[InputConfig, InputConfig]:
    """Return both inputs of a join.

    Raises:
        ConfigError: one is missing, or their keys do not fit.
    """
    left, right = config.left, config.right
    if left is None or right is None:
        side = "left" if left is None else "right"
        raise ConfigError(
            f"{place}.{side}: a join needs both inputs, left and right.",
            remedy=f"Add {side}: {{tables: [schema.table], key: [column]}}.",
        )
    for name, side_config in (("left", left), ("right", right)):
        if not side_config.key:
            raise ConfigError(
                f"{place}.{name}.key: a join needs a key on both sides.",
                remedy="Name the columns in which the rows of both sides are equal.",
            )
    if len(left.key) != len(right.key):
        raise ConfigError(
            f"{place}.right.key has {len(right.key)} parts, and left.key has {len(left.key)}.",
            remedy="Give both keys the same number of parts, in the same order.",
        )
    return left, right


def make_side(
    config: ProcessorConfig, side_config: InputConfig, side: Side, place: str, select: Select
) -> Input:
    """Return the input of a side.

    Raises:
        ConfigError: with the place, if something in it is wrong.
    """
    return make_input(
        side_config,
        processor=config.name,
        place=f"{place}.{side}",
        value=select.value(side),
        max_ahead=duration_us(config.max_ahead),
        check=lambda relation: select.check(side, relation),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinOutput:
    """Writes the results of a join.

    Attributes:
        processor: name of the processor.
        aliases: names of the parts of the key.
        select: what results show.
        sinks: names of those that get them.
    """

    processor: str
    aliases: tuple[str, ...]
    select: Select
    sinks: tuple[str, ...]

    def write(self, row: JoinResult) -> Result:
        """Return a row as a result."""
        key: Any = row.key
        return Result(
            id=row.id,
            type="join_result",
            processor=self.processor,
            timestamp=row.timestamp,
            row_id=row_id_of(key),
            members=(
                f'"processor":"{self.processor}","key":{key_json(self.aliases, key)},'
                f'{self.select.members(row.left, row.right)},"timestamp":{row.timestamp}'
            ),
            sinks=self.sinks,
        )
