"""Every function against a computation on the list of the values that are present."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cmp_to_key
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.expressions.numbers import numeric_divide
from bridge.processing.aggregates import AggregationFunction

EXAMPLES = [200, pytest.param(2000, marks=pytest.mark.nightly)]

# Values

INTEGERS = st.one_of(st.integers(-5, 5), st.integers(-(10**30), 10**30))
DECIMALS = st.one_of(
    st.builds(lambda n, scale: Decimal((n < 0, tuple(map(int, str(abs(n)))), -scale)),
              INTEGERS, st.sampled_from([-3, 0, 1, 2, 25])),
    st.sampled_from([Decimal(text) for text in ("0", "1", "1.0", "1.00", "-2.5", "1E+3")]),
)  # fmt: skip
FLOATS = st.one_of(
    st.floats(-1e300, 1e300), st.sampled_from([0.0, 0.1, 0.2, 1.0, -1.0, 1e16, 5e-324])
)
NAN, INFINITY = Decimal("NaN"), Decimal("Infinity")
SPECIALS = st.sampled_from([NAN, INFINITY, -INFINITY, math.nan, math.inf, -math.inf])
NUMBERS = st.one_of(INTEGERS, DECIMALS, FLOATS, SPECIALS)
TEXTS = st.text("aäzZ\U0001f600", max_size=2)
ARRAYS = st.lists(st.one_of(st.none(), st.integers(0, 2), DECIMALS), max_size=3)
SCALARS = st.sampled_from(
    [True, False, 0, 1, 1.0, Decimal("1.0"), Decimal("1.00"), "1", "NaN", NAN, math.nan]
)
LISTS = st.lists(st.one_of(st.none(), SCALARS), max_size=2)
OBJECTS = st.dictionaries(st.sampled_from("ab"), st.one_of(SCALARS, LISTS), max_size=2)
DOCUMENTS = st.one_of(SCALARS, LISTS, OBJECTS)


# What is expected, of the values in the order of their events


def known(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def finite_sum(numbers: list[Any]) -> Fraction:
    return sum(map(Fraction, numbers), Fraction())


def scale_of(number: int | Decimal) -> int:
    if isinstance(number, int) or not number.is_finite():
        return 0
    return max(0, -int(number.as_tuple().exponent))


def special_sum(numbers: list[Any]) -> float | None:
    infinite = [float(number) for number in numbers if not math.isfinite(number)]
    return sum(infinite) if infinite else None


def expected_sum(values: list[Any]) -> Any:
    numbers = known(values)
    if not numbers:
        return None
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    special = special_sum(numbers)
    if all(isinstance(number, float) for number in numbers) and special is None:
        return math.fsum(numbers)
    if any(isinstance(number, float) for number in numbers):
        return float(finite_sum(numbers)) if special is None else special
    if special is not None:
        return Decimal(special)
    scale = max(map(scale_of, numbers))
    digits = int(finite_sum(numbers) * 10**scale)
    return Decimal((digits < 0, tuple(map(int, str(abs(digits)))), -scale))


def expected_avg(values: list[Any]) -> Any:
    numbers = known(values)
    total = expected_sum(numbers)
    if not numbers:
        return None
    if isinstance(total, float):
        special = special_sum(numbers)
        return float(finite_sum(numbers) / len(numbers)) if special is None else special
    if special_sum(numbers) is not None:
        return total
    return numeric_divide(Decimal(total), Decimal(len(numbers)))


def look(number: Any) -> float:
    """Return what decides between equal numbers."""
    if isinstance(number, Decimal):
        return -int(number.as_tuple().exponent) if number.is_finite() else 0
    return math.inf if isinstance(number, float) else -math.inf


def compare(left: Any, right: Any) -> int:
    """Compare as PostgreSQL does, then by look."""
    if left is None or right is None:
        return (left is None) - (right is None)
    if isinstance(left, list):
        for a, b in zip(left, right, strict=False):
            if compare(a, b):
                return compare(a, b)
        return len(left) - len(right)
    if isinstance(left, str):
        return (left > right) - (left < right)
    if math.isnan(left) or math.isnan(right):
        unequal = math.isnan(left) - math.isnan(right)
    else:
        unequal = (left > right) - (left < right)
    return unequal or (look(left) > look(right)) - (look(left) < look(right))


def ordered(values: list[Any]) -> list[Any]:
    return sorted(known(values), key=cmp_to_key(compare))


def equal(left: Any, right: Any) -> bool:
    """Whether SQL, or jsonb, calls two values equal."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    numbers = int, float, Decimal
    if isinstance(left, numbers) and isinstance(right, numbers):
        return bool(left == right) or (math.isnan(left) and math.isnan(right))
    return type(left) is type(right) and bool(left == right)


def expected_distinct(values: list[Any]) -> int:
    different: list[Any] = []
    for value in known(values):
        if not any(equal(value, other) for other in different):
            different.append(value)
    return len(different)


def expected_quantile(q: float) -> Callable[[list[Any]], float | None]:
    def quantile(values: list[Any]) -> float | None:
        numbers = sorted(map(float, known(values)), key=lambda n: (math.isnan(n), n))
        if not numbers:
            return None
        place = q * (len(numbers) - 1)
        low, high = numbers[math.floor(place)], numbers[math.ceil(place)]
        if math.floor(place) == math.ceil(place):
            return low
        return low + (place - math.floor(place)) * (high - low)

    return quantile


# The functions

A = AggregationFunction


class Group(NamedTuple):
    """Functions of values of one kind."""

    values: st.SearchStrategy[Any]
    functions: list[tuple[AggregationFunction, Callable[[list[Any]], Any]]]


def lowest(values: list[Any]) -> Any:
    return next(iter(ordered(values)), None)


def highest(values: list[Any]) -> Any:
    return next(reversed(ordered(values)), None)


def three_highest(values: list[Any]) -> list[Any]:
    return ordered(values)[::-1][:3]


def first(values: list[Any]) -> Any:
    return next(iter(known(values)), None)


def last(values: list[Any]) -> Any:
    return next(reversed(known(values)), None)


def three_first(values: list[Any]) -> list[Any]:
    return values[:3]


def sums(numbers: st.SearchStrategy[Any]) -> Group:
    return Group(numbers, [(A.Sum("x"), expected_sum), (A.Avg("x"), expected_avg)])


def by_value(values: st.SearchStrategy[Any], *, changelog: bool) -> Group:
    functions = [
        (A.Min("x", changelog=changelog), lowest),
        (A.Max("x", changelog=changelog), highest),
        (A.TopK("x", 3, changelog=changelog), three_highest),
    ]
    return Group(values, functions)


def numbers(values: st.SearchStrategy[Any]) -> Group:
    functions = [
        *sums(values).functions,
        *by_value(values, changelog=True).functions,
        *((A.Quantile("x", q), expected_quantile(q)) for q in (0, 0.3, 0.5, 1)),
        (A.CountDistinct("x"), expected_distinct),
    ]
    return Group(values, functions)


def by_event(values: st.SearchStrategy[Any], *, changelog: bool) -> Group:
    functions = [
        (A.First("x", changelog=changelog), first),
        (A.Last("x", changelog=changelog), last),
        (A.Collect("x", changelog=changelog), list),
        (A.Collect("x", limit=3, changelog=changelog), three_first),
    ]
    return Group(values, functions)


GROUPS = {
    "counts": Group(
        DOCUMENTS,
        [
            (A.Count(), len),
            (A.Count("x"), lambda values: len(known(values))),
            (A.CountDistinct("x"), expected_distinct),
        ],
    ),
    "sums of integers": sums(INTEGERS),
    "sums of decimals": sums(st.one_of(INTEGERS, DECIMALS)),
    "sums of floats": sums(FLOATS),
    "numbers": numbers(NUMBERS),
    "repeated numbers": numbers(st.integers(0, 2)),
    "order of texts": by_value(TEXTS, changelog=True),
    "order of arrays": by_value(ARRAYS, changelog=True),
    "order of numbers, append": by_value(NUMBERS, changelog=False),
    "order of events": by_event(DOCUMENTS, changelog=True),
    "order of events, append": by_event(DOCUMENTS, changelog=False),
    "fold": Group(
        st.integers(),
        [
            (
                A.Fold(
                    create=lambda: {"total": 0},
                    add=lambda state, row: {"total": state["total"] + (row["x"] or 0)},
                    merge=lambda a, b: {"total": a["total"] + b["total"]},
                    retract=lambda state, row: {"total": state["total"] - (row["x"] or 0)},
                    result=lambda state: state["total"],
                ),
                lambda values: sum(known(values)),
            )
        ],
    ),
}


# What happens to them

STEPS = st.sampled_from(["add"] * 5 + ["retract"] * 2 + ["merge", "reload"])


class Step(NamedTuple):
    """Something that is done to one of two states.

    Attributes:
        what: which method of ``Run``.
        part: which of the states.
        number: which value to retract, or the timestamp of a new one.
        value: a new one.
        null: whether it is NULL instead.
    """

    what: str
    part: int
    number: int
    value: Any
    null: bool


def scripts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Step]]:
    null = st.sampled_from([False, False, False, True])
    step = st.builds(Step, STEPS, st.integers(0, 1), st.integers(0, 9), values, null)
    return st.integers(0, 14).flatmap(lambda size: st.lists(step, min_size=size, max_size=size))


def plain(result: Any) -> Any:
    """Return what tells results apart: type and look, without the sign of zero."""
    if isinstance(result, list):
        return [plain(item) for item in result]
    if isinstance(result, float | Decimal) and result == 0:
        result = abs(result)
    return (type(result).__name__, str(result))


class Run:
    """Two states of a function, and the values that are present in each."""

    def __init__(self, function: AggregationFunction, expected: Callable[[list[Any]], Any]) -> None:
        self.function = function
        self.expected = expected
        self.states = [function.create() for _ in range(2)]
        self.present: list[list[tuple[tuple[int, int], Any]]] = [[], []]
        self.sequence = 0

    def add(self, step: Step) -> None:
        self.sequence += 1
        at, value = (step.number, self.sequence), None if step.null else step.value
        self.states[step.part] = self.function.add(self.states[step.part], {"x": value}, at)
        self.present[step.part].append((at, value))

    def retract(self, step: Step) -> None:
        present = self.present[step.part]
        if self.function.retracts and present:
            at, value = present.pop(step.number % len(present))
            self.states[step.part] = self.function.retract(self.states[step.part], {"x": value}, at)

    def merge(self, step: Step) -> None:
        other = 1 - step.part
        before = repr(self.function.dump(self.states[other]))
        self.states[step.part] = self.function.merge(self.states[step.part], self.states[other])
        assert repr(self.function.dump(self.states[other])) == before
        self.states[other] = self.function.create()
        self.present[step.part] += self.present[other]
        self.present[other] = []

    def reload(self, step: Step) -> None:
        """Go on with a copy, whatever becomes of the original."""
        original = self.states[step.part]
        self.states[step.part] = self.function.load(self.function.dump(original))
        for _, value in self.present[step.part]:
            original = self.function.add(original, {"x": value}, (0, 0))

    def check(self, part: int) -> None:
        there = [value for _, value in sorted(self.present[part], key=lambda entry: entry[0])]
        result = self.function.result(self.states[part])
        assert plain(result) == plain(self.expected(there)), self.function


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", GROUPS)
def test_a_function_gives_what_the_values_that_are_present_give(name: str, examples: int) -> None:
    values, functions = GROUPS[name]

    @settings(max_examples=examples, deadline=None)
    @given(scripts(values))
    def holds(script: list[Step]) -> None:
        for function, expected in functions:
            run = Run(function, expected)
            for step in script:
                getattr(run, step.what)(step)
                run.check(step.part)

    holds()
