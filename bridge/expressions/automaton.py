"""Regular expressions matched in a time that grows with the text's length only.

Python's ``re`` goes back and tries again, which for some patterns takes for ever. This follows all
ways to match at once, as a finite automaton (https://swtch.com/~rsc/regexp/regexp1.html). Its
states are made when they are first reached, and kept for the next text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from re import _constants as codes  # type: ignore[attr-defined]
from typing import Any, Final

MAX_NODES: Final = 5_000
_MAX_STATES: Final = 2_000
_MAX_TRANSITIONS: Final = 100_000

_CATEGORIES: Final = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}


@dataclass(slots=True, eq=False)
class _Node:
    """A step of the pattern.

    Attributes:
        takes: whether it takes a character; None for a node that takes none.
        at: where it can be passed: everywhere, only at the begin or only at the end of the text.
        next: the nodes after it; none after the last node of the pattern.
    """

    takes: Callable[[str], object] | None = None
    at: str = ""
    next: list[_Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _State:
    """The nodes that wait for a character.

    Attributes:
        nodes: that take one.
        verdict: the answer, if it is known without the rest of the text.
        at_end: the answer if the text ends here.
        next: the state after each character that was met.
    """

    nodes: frozenset[_Node]
    verdict: bool | None
    at_end: bool
    next: dict[str, _State] = field(default_factory=dict)


class Automaton:
    """Tells whether a text holds a match.

    Args:
        parsed: the pattern, as ``re._parser.parse`` gives it.
        flags: those of ``re``.

    Raises:
        ValueError: with a sentence, if the pattern is too large or holds what is not supported.
    """

    def __init__(self, parsed: Any, flags: int) -> None:
        self._flags = flags
        self._count = 0
        self._last = _Node()
        self._first = self._sequence(parsed, self._last)
        self._reset()

    def _reset(self) -> None:
        self._states: dict[tuple[frozenset[_Node], bool], _State] = {}
        self._transitions = 0
        self._begin = self._state([self._first], begin=True)

    def matches(self, text: str) -> bool:
        """Return whether the text holds a match."""
        state = self._begin
        for char in text:
            if state.verdict is not None:
                return state.verdict
            state = state.next.get(char) or self._step(state, char)
        return state.at_end if state.verdict is None else state.verdict

    def _step(self, state: _State, char: str) -> _State:
        if self._transitions >= _MAX_TRANSITIONS or len(self._states) >= _MAX_STATES:
            self._reset()
        self._transitions += 1
        reached = [after for n in state.nodes if n.takes and n.takes(char) for after in n.next]
        # A match can begin after every character.
        following = self._state([*reached, self._first], begin=False)
        state.next[char] = following
        return following

    def _state(self, reached: Iterable[_Node], *, begin: bool) -> _State:
        nodes = self._closure(reached, {"", "begin"} if begin else {""})
        at_end = self._last in self._closure(
            reached, {"", "end", "begin"} if begin else {"", "end"}
        )
        waiting = frozenset(node for node in nodes if node.takes)
        key = (waiting, at_end)
        matched = self._last in nodes
        # Without a node that waits nothing can match any more: those that a later begin of a
        # match would add wait already, unless it is the first state.
        dead = not waiting and not at_end and not begin
        verdict = True if matched else False if dead else None
        if begin or verdict is not None:
            return _State(waiting, verdict, at_end)
        return self._states.setdefault(key, _State(waiting, verdict, at_end))

    def _closure(self, reached: Iterable[_Node], passable: set[str]) -> set[_Node]:
        """Return the nodes that are reached without a character."""
        found: set[_Node] = set()
        pending = list(reached)
        while pending:
            node = pending.pop()
            if node in found or node.at not in passable:
                continue
            found.add(node)
            if node.takes is None:
                pending.extend(node.next)
        return found

    # From the pattern to nodes, from its end to its begin

    def _node(self, after: list[_Node], **settings: Any) -> _Node:
        self._count += 1
        if self._count > MAX_NODES:
            raise ValueError("the regular expression is too large")
        return _Node(next=after, **settings)

    def _sequence(self, parsed: Any, after: _Node) -> _Node:
        for operation, argument in reversed(list(parsed)):
            after = self._before(operation, argument, after)
        return after

    def _before(self, operation: Any, argument: Any, after: _Node) -> _Node:
        if operation is codes.SUBPATTERN:
            return self._sequence(argument[-1], after)
        if operation is codes.BRANCH:
            return self._node([self._sequence(branch, after) for branch in argument[1]])
        if operation in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            low, high, body = argument
            return self._repeat(low, high, body, after)
        if operation is codes.AT:
            return self._node(
                [after], at="begin" if argument is codes.AT_BEGINNING_STRING else "end"
            )
        return self._node([after], takes=self._character(operation, argument))

    def _repeat(self, low: int, high: Any, body: Any, after: _Node) -> _Node:
        if high == codes.MAXREPEAT:
            again = self._node([after])
            again.next.append(self._sequence(body, again))
            after = again
        else:
            last = after
            for _ in range(high - low):
                after = self._node([self._sequence(body, after), last])
        for _ in range(low):
            after = self._sequence(body, after)
        return after

    def _character(self, operation: Any, argument: Any) -> Callable[[str], object]:
        """Return whether a character is taken, which ``re`` decides."""
        if operation is codes.ANY:
            source = "."
        elif operation is codes.LITERAL:
            source = re.escape(chr(argument))
        elif operation is codes.NOT_LITERAL:
            source = f"[^{re.escape(chr(argument))}]"
        elif operation is codes.IN:
            source = f"[{''.join(map(self._class_item, argument))}]"
        else:
            raise ValueError("the regular expression holds what is not supported")
        return re.compile(source, self._flags).fullmatch

    def _class_item(self, item: tuple[Any, Any]) -> str:
        operation, argument = item
        if operation is codes.NEGATE:
            return "^"
        if operation is codes.RANGE:
            low, high = argument
            return f"{re.escape(chr(low))}-{re.escape(chr(high))}"
        if operation is codes.CATEGORY:
            return _CATEGORIES[argument]
        return re.escape(chr(argument))
