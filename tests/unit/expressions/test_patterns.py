"""Patterns: the automaton says what ``re`` says, and nothing goes back and tries again."""

from __future__ import annotations

import re
from re import _parser as parser  # type: ignore[attr-defined]

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.expressions import compile_condition
from bridge.expressions.automaton import Automaton
from bridge.expressions.patterns import like, regex_matcher
from tests.fixtures.events import make_event, make_relation

ATOMS = st.sampled_from(
    ["a", "b", "A", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"[\s\d]", r"\.", "\\A", "\\Z", "é"]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map(lambda p: f"(?:{p[0]}|{p[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,1}", "*?"])).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
        st.tuples(inner, st.just("|"), inner).map("".join),
    ),
    max_leaves=6,
)
TEXTS = st.text("abcA1. \né", max_size=8)


@settings(max_examples=1000, deadline=None)
@given(PATTERNS, st.lists(TEXTS, min_size=1, max_size=5), st.booleans())
def test_the_automaton_says_what_re_says(pattern: str, texts: list[str], ignore_case: bool) -> None:
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    automaton = Automaton(parser.parse(pattern, flags), flags)

    for text in texts:
        assert automaton.matches(text) == bool(re.search(pattern, text, flags)), text


@pytest.mark.parametrize(
    ("pattern", "end", "found"),
    [
        ("^a*a*a*a*b$", "", False),
        ("^a*a*a*a*b$", "b", True),
        ("a.*a.*a.*b", "", False),
        ("a.*a.*a.*b", "b", True),
        ("(a+)+$", "b", False),
        ("(a+)+$", "", True),
        ("(a|aa)*b", "c", False),
        ("(a|aa)*c$", "c", True),
        ("(a?){50}b", "", False),
        ("[^b]+b", "", False),
        ("b|^(aa)*$", "", True),
    ],
)
def test_long_texts_take_no_longer_than_their_length(pattern: str, end: str, found: bool) -> None:
    """Going back and trying again would take these longer than any test may."""
    assert regex_matcher(pattern, False)("a" * 200_000 + end) is found


@pytest.mark.parametrize(
    "pattern", ["%a%a%a%a%a%a%a%a%a%b", "%_a%_a%_a%_a%_a%b%", "%%%%%%%%%%%%b", "%a_%b_%"]
)
def test_like_does_not_go_back(pattern: str) -> None:
    assert like("a" * 200_000, pattern) is False


def test_an_automaton_keeps_a_bounded_memory() -> None:
    automaton = Automaton(parser.parse("(?:a|b)*a(?:a|b){12}c", re.DOTALL), re.DOTALL)

    for number in range(50):
        assert not automaton.matches(format(number * 7919, "0200b").replace("0", "a") * 20)

    assert len(automaton._states) <= 2000


@pytest.mark.parametrize("pattern", ["(a{200}){200}", "((a{50}){50}){50}"])
def test_a_pattern_that_is_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        regex_matcher(pattern, False)


@settings(deadline=None)
@given(st.text("ab%_\\é", max_size=6), TEXTS)
def test_like_is_what_its_definition_says(pattern: str, text: str) -> None:
    def defined(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "%":
            return any(defined(pattern[1:], text[at:]) for at in range(len(text) + 1))
        if pattern[0] == "\\":
            pattern = pattern[1:]
            return text[:1] == pattern[0] and defined(pattern[1:], text[1:])
        return bool(text) and pattern[0] in ("_", text[0]) and defined(pattern[1:], text[1:])

    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:  # it would end in its escape character
        pattern += "%"

    assert like(text, pattern) == defined(pattern, text)


def test_patterns_from_rows() -> None:
    relation = make_relation({"x": "text", "p": "text"})
    event = make_event(row=("paid", "p_i%"), relation=relation)

    assert compile_condition("x like p and x not like p || 'x'")(event) is True
