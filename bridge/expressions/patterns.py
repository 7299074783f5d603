"""``like`` and ``~``: patterns are turned into Python's regular expressions, and kept from hanging.

Python's ``re`` goes back and tries again, which can take time that grows with a power of the
text's length, and holds up the whole process. LIKE is therefore matched piece by piece, which never
goes back. Other patterns are left to ``re`` for texts so short that it cannot take long, and
followed by an automaton for longer ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final, TypeAlias

from bridge.expressions.automaton import Automaton
from bridge.expressions.errors import EvaluationError

Matcher: TypeAlias = Callable[[str], bool]

_MAX_STEPS: Final = 10**6
"""Of a search by ``re`` in the worst case: some hundredths of a second."""


def like(text: str, pattern: str, escape: str = "\\") -> bool:
    """``text like pattern``."""
    return like_matcher(False, pattern, escape)(text)


def ilike(text: str, pattern: str, escape: str = "\\") -> bool:
    """``text ilike pattern``."""
    return like_matcher(True, pattern, escape)(text)


@lru_cache(maxsize=1000)
def like_matcher(ignore_case: bool, pattern: str, escape: str = "\\") -> Matcher:
    """Return the function that tells whether a text is like the pattern.

    Raises:
        EvaluationError: the pattern ends in its escape character.
    """
    if len(escape) > 1:
        raise EvaluationError("the escape of LIKE is one character, or none")
    pieces: list[str] = [""]
    literal = False
    for char in pattern:
        if literal or char not in ("%", "_", escape):
            pieces[-1] += re.escape(char)
            literal = False
        elif char == escape:
            literal = True
        elif char == "_":
            pieces[-1] += "."
        else:
            pieces.append("")
    if literal:
        raise EvaluationError("the pattern of LIKE ends in its escape character")
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    first, *middle = (re.compile(piece, flags) for piece in pieces)
    if not middle:
        return lambda text: first.fullmatch(text) is not None
    last = re.compile(f"(?:{pieces[-1]})\\Z", flags)
    inner = [piece for piece in middle[:-1] if piece.pattern]
    width: int = parser.parse(pieces[-1], flags).getwidth()[0]

    def matches(text: str) -> bool:
        found = first.match(text)
        for piece in inner:  # each at the first place that is left: another would not help
            if found is None:
                return False
            found = piece.search(text, found.end())
        return found is not None and (
            found.end() <= len(text) - width and last.match(text, len(text) - width) is not None
        )

    return matches


def regex_matcher(pattern: str, ignore_case: bool) -> Matcher:
    """Return the function that tells whether a text holds a match of a regular expression.

    Raises:
        ValueError: with a sentence, if the pattern is wrong or not supported.
    """
    translated = _translated(pattern)
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    try:
        parsed = parser.parse(translated, flags)
        compiled = re.compile(translated, flags)
    except (re.error, OverflowError, RecursionError):
        raise ValueError("this is no regular expression") from None
    automaton = Automaton(parsed, flags)
    longest = _longest(parsed, anchored=translated.startswith("\\A") and "|" not in translated)
    search, follow = compiled.search, automaton.matches

    def matches(text: str) -> bool:
        return search(text) is not None if len(text) <= longest else follow(text)

    return matches


_ESCAPED: Final = frozenset("dDsSwW.^$*+?()[]{}|\\/-\"'#&~,:;<>=!@% nrtfv")


def _translated(pattern: str) -> str:
    """Refuse what Python reads otherwise than PostgreSQL; write ``^`` and ``$`` unambiguously."""
    if pattern.startswith("***"):
        raise ValueError("regular expressions do not support ***")
    pieces, at, in_class = [], 0, False
    while at < len(pattern):
        char, following = pattern[at], pattern[at + 1 : at + 2]
        if char == "\\":
            if following not in _ESCAPED or not following:
                raise ValueError(f"regular expressions do not support \\{following}")
            pieces.append(char + following)
            at += 2
            continue
        if in_class:
            if char == "[" and following in (":", ".", "="):
                raise ValueError("regular expressions do not support [: :], write [a-z]")
            pieces.append("\\[" if char == "[" else char)
            in_class = char != "]"
        elif char == "[":
            in_class = True
            end = at + 1 + pattern[at + 1 :].startswith("^")
            pieces.append(pattern[at:end])
            if pattern[end : end + 1] == "]":  # the first one stands for itself
                pieces.append("\\]")
                end += 1
            at = end
            continue
        elif char == "(" and following == "?":
            if pattern[at + 2 : at + 3] != ":":
                raise ValueError("of groups with (? regular expressions support (?: ) only")
            pieces.append(pattern[at : at + 3])
            at += 3
            continue
        elif char == "^":
            pieces.append("\\A")
        elif char == "$":
            pieces.append("\\Z")
        elif char in "*+?}" and following == "+":
            raise ValueError("a quantifier cannot follow another")
        else:
            pieces.append(char)
        at += 1
    return "".join(pieces)


def _longest(parsed: Any, *, anchored: bool) -> int:
    """Return up to which length of a text Python's ``re`` is quick, whatever the text."""
    repeats = _repeats(parsed)
    if repeats is None:
        return 0
    return int(_MAX_STEPS ** (1 / max(1, repeats + (not anchored))))


def _repeats(parsed: Any) -> int | None:
    """Count the repeats of varying length; None if one is inside of another, or repeats a choice.

    Without those, a search takes at most as many steps as the text has characters to the power of
    that number.
    """
    count = 0
    for operation, argument in parsed:
        bodies: list[Any] = []
        if operation in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            low, high, body = argument
            inner = _repeats(body)
            if inner is None or (high != 1 and (inner or _has_choice(body))):
                return None
            count += inner + (low != high)
        elif operation is codes.SUBPATTERN:
            bodies = [argument[-1]]
        elif operation is codes.BRANCH:
            bodies = argument[1]
        for body in bodies:
            inner = _repeats(body)
            if inner is None:
                return None
            count += inner
    return count


def _has_choice(parsed: Any) -> bool:
    return any(
        operation is codes.BRANCH
        or (operation is codes.SUBPATTERN and _has_choice(argument[-1]))
        or (operation in (codes.MAX_REPEAT, codes.MIN_REPEAT) and _has_choice(argument[2]))
        for operation, argument in parsed
    )
