"""The two sides of a join: their inputs, and keys that fit each other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bridge.config.durations import duration_us
from bridge.config.inputs import InputConfig
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.dataflow.inputs import Input, make_input
from bridge.dataflow.join_output import SIDES, Select
from bridge.processing.events import Key
from bridge.processing.joins.inputs import Side


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
    check_keys(len(left.key), len(right.key), place)
    return left, right


def check_keys(left: int, right: int, place: str) -> None:
    """Check the numbers of parts that the keys of both sides have.

    Raises:
        ConfigError: they do not fit.
    """
    for side, parts in (("left", left), ("right", right)):
        if not parts:
            raise ConfigError(
                f"{place}.{side}.key: a join needs a key on both sides.",
                remedy="Name the columns in which the rows of both sides are equal.",
            )
    if left != right:
        raise ConfigError(
            f"{place}.right.key has {right} parts, and left.key has {left}.",
            remedy="Give both keys the same number of parts, in the same order.",
        )


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
