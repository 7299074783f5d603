"""What each aggregation function does with the values that are out of the ordinary."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from bridge.core.errors import BridgeError, ConfigError
from bridge.processing.aggregates import AggregationFunction as A
from bridge.processing.aggregates import Unaggregatable

NAN, INFINITY = Decimal("NaN"), Decimal("Infinity")


def aggregate(function: A, *values: Any) -> Any:
    state = function.create()
    for sequence, value in enumerate(values):
        state = function.add(state, value, (0, sequence))
    return function.result(state)


def text(value: Any) -> str:
    """Return a value with its type and its digits."""
    return f"{type(value).__name__} {value}"


ONE_COLUMN: dict[str, Callable[..., A]] = {
    "sum": A.Sum,
    "avg": A.Avg,
    "min": A.Min,
    "max": A.Max,
    "first": A.First,
    "last": A.Last,
    "collect": A.Collect,
    "countdistinct": A.CountDistinct,
    "topk": lambda field: A.TopK(field, 2),
    "quantile": lambda field: A.Quantile(field, 0.5),
}
NOTHING = {"collect": [], "countdistinct": 0, "topk": []}


@pytest.mark.parametrize("name", ONE_COLUMN)
def test_no_values_give_null_nothing_or_zero(name: str) -> None:
    assert aggregate(ONE_COLUMN[name]("x")) == NOTHING.get(name)


@pytest.mark.parametrize("name", sorted(ONE_COLUMN.keys() - {"collect"}))
def test_null_is_no_value(name: str) -> None:
    assert aggregate(ONE_COLUMN[name]("x"), {"x": None}) == NOTHING.get(name)


def test_counts_and_lists_of_null() -> None:
    rows = [{"x": None}, {"x": 0}, {"x": None}]

    assert aggregate(A.Count(), *rows) == 3
    assert aggregate(A.Count("x"), *rows) == 1
    assert aggregate(A.Collect("x"), *rows) == [None, 0, None]


@pytest.mark.parametrize("name", ONE_COLUMN)
def test_a_field_is_a_column_a_function_or_the_value_itself(name: str) -> None:
    make = ONE_COLUMN[name]

    by_column = aggregate(make("x"), {"x": 1}, MappingProxyType({"x": 3}))

    assert aggregate(make(lambda row: row[0]), (1,), (3,)) == by_column
    assert aggregate(make(None), 1, 3) == by_column


@pytest.mark.parametrize("value", [{"y": "secret"}, None, 5, ["secret"], "secret"])
@pytest.mark.parametrize("name", ONE_COLUMN)
def test_a_missing_column_is_an_error_that_names_it(name: str, value: Any) -> None:
    function = ONE_COLUMN[name]("x")

    with pytest.raises(Unaggregatable, match=rf"^{name}\(x\): an event has no column 'x'") as error:
        function.add(function.create(), value, (0, 0))

    assert "secret" not in str(error.value)
    assert isinstance(error.value, BridgeError)


@pytest.mark.parametrize("value", ["secret", True, [1], {"a": 1}, b"secret", date.max])
@pytest.mark.parametrize("name", ["sum", "avg", "quantile"])
def test_what_is_no_number_is_an_error_that_names_the_type(name: str, value: Any) -> None:
    function = ONE_COLUMN[name]("x")
    state = function.add(function.create(), {"x": 2}, (0, 0))

    for change in (function.add, function.retract):
        with pytest.raises(Unaggregatable, match=type(value).__name__) as error:
            change(state, {"x": value}, (0, 1))
        assert str(error.value).startswith(f"{name}(x): ")
        assert "secret" not in str(error.value)
        assert error.value.__cause__ is None

    assert function.result(state) == 2


# Sums


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([10**40, 1], f"int {10**40 + 1}"),
        ([Decimal("1.10"), Decimal("2.2")], "Decimal 3.30"),
        ([1, Decimal("2.50")], "Decimal 3.50"),
        ([Decimal("1E+3"), Decimal("1E+2")], "Decimal 1100"),
        ([Decimal("9" * 100), Decimal("1E-100")], f"Decimal {'9' * 100}.{'0' * 99}1"),
        ([Decimal("-0.0")], "Decimal 0.0"),
        ([0.1] * 10, "float 1.0"),
        ([1e16, 1.0, -1e16], "float 1.0"),
        ([1, Decimal("0.5"), 0.25], "float 1.75"),
        ([1e308, 1e308], "float inf"),
        ([-1e308, -1e308, 0], "float -inf"),
        ([1e308, 1e308, -1e308], "float 1e+308"),
        ([NAN, 1], "Decimal NaN"),
        ([INFINITY, 1], "Decimal Infinity"),
        ([INFINITY, -INFINITY], "Decimal NaN"),
        ([math.inf, 1], "float inf"),
        ([math.inf, -math.inf], "float nan"),
        ([-INFINITY, 1.5], "float -inf"),
    ],
)
def test_sums(values: list[Any], expected: str) -> None:
    assert text(aggregate(A.Sum(), *values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], "Decimal 1.5000000000000000"),
        ([1], "Decimal 1.00000000000000000000"),
        ([0, 0], "Decimal 0E-20"),
        ([-1, -1, 0], "Decimal -0.66666666666666666667"),
        ([Decimal("1.5"), Decimal("1.0000000000000000000002")], "Decimal 1.2500000000000000000001"),
        ([10**20, 1], "Decimal 50000000000000000001"),
        ([Decimal("1.5"), NAN], "Decimal NaN"),
        ([Decimal("1.5"), -INFINITY], "Decimal -Infinity"),
        ([1, 2.0], "float 1.5"),
        ([1e308, 1e308], "float 1e+308"),
        ([math.inf, 1], "float inf"),
    ],
)  # fmt: skip
def test_averages(values: list[Any], expected: str) -> None:
    assert text(aggregate(A.Avg(), *values)) == expected


def test_what_is_taken_back_leaves_no_trace() -> None:
    function = A.Sum()
    state = function.create()
    for value in (1e100, Decimal("0.001"), NAN, math.inf, 5):
        state = function.add(state, value, (0, 0))
    for value in (1e100, Decimal("0.001"), NAN, math.inf):
        state = function.retract(state, value, (0, 0))

    assert text(function.result(state)) == "int 5"


@pytest.mark.parametrize("number", ["1E+200000", "1E-16384", "1E+999999"])
def test_a_number_beyond_numeric_is_an_error_and_not_rounded(number: str) -> None:
    function = A.Sum()
    state = function.add(function.create(), Decimal("1.5"), (0, 0))

    with pytest.raises(Unaggregatable, match="more digits than a numeric"):
        function.add(state, Decimal(number), (0, 0))

    assert text(function.result(state)) == "Decimal 1.5"


# Order


@pytest.mark.parametrize(
    ("values", "lowest", "highest"),
    [
        (["b", "a", "B", ""], "", "b"),
        ([1, Decimal("0.5"), 2.5], Decimal("0.5"), 2.5),
        ([date(2024, 2, 29), date(2020, 1, 1)], date(2020, 1, 1), date(2024, 2, 29)),
        ([True, False], False, True),
        ([b"\x00", b"\xff"], b"\x00", b"\xff"),
        ([[1, None], [1, 2], [1]], [1], [1, None]),
        ([1, math.inf, -math.inf], -math.inf, math.inf),
        ([1, INFINITY, -INFINITY], -INFINITY, INFINITY),
    ],
)
def test_lowest_and_highest(values: list[Any], lowest: Any, highest: Any) -> None:
    for changelog in (False, True):
        assert aggregate(A.Min(changelog=changelog), *values) == lowest
        assert aggregate(A.Max(changelog=changelog), *values) == highest


@pytest.mark.parametrize("nan", [NAN, math.nan])
def test_nan_is_above_all_numbers_and_equals_itself(nan: Any) -> None:
    numbers = [nan, 1, INFINITY, math.inf, nan]

    assert str(aggregate(A.Max(), *numbers)).lower() == "nan"
    assert aggregate(A.Min(), *numbers) == 1
    assert aggregate(A.CountDistinct(), *numbers) == 3
    assert aggregate(A.Quantile(None, 0), *numbers) == 1.0
    assert math.isnan(aggregate(A.Quantile(None, 1), *numbers))


def test_of_equal_numbers_the_look_decides_and_not_the_order() -> None:
    numbers = [Decimal("1.0"), Decimal("1.00"), 1]

    for values in (numbers, numbers[::-1]):
        assert text(aggregate(A.Min(), *values)) == "int 1"
        assert text(aggregate(A.Max(), *values)) == "Decimal 1.00"


@pytest.mark.parametrize(
    "values",
    [
        (1, "a"),
        (1, True),
        (date.min, datetime.min),
        (datetime.min, datetime(2024, 1, 1, tzinfo=UTC)),
        ([1], ["a"]),
        ([1], 1),
    ],
)
@pytest.mark.parametrize("changelog", [False, True])
@pytest.mark.parametrize("make", [A.Min, A.Max])
def test_values_that_cannot_be_compared_are_an_error(
    make: Any, changelog: bool, values: tuple[Any, Any]
) -> None:
    for first, second in (values, values[::-1]):
        function = make("x", changelog=changelog)
        state = function.add(function.create(), {"x": first}, (0, 0))
        other = function.add(function.create(), {"x": second}, (0, 0))

        with pytest.raises(
            Unaggregatable, match=rf"\(x\): a value of type {type(second).__name__}"
        ):
            function.add(state, {"x": second}, (0, 1))
        assert function.result(state) == first
        with pytest.raises(Unaggregatable, match="two states"):
            function.merge(state, other)


@pytest.mark.parametrize("value", [{"a": 1}, {1, 2}, [{"a": 1}]])
def test_what_has_no_order_is_an_error_at_once(value: Any) -> None:
    with pytest.raises(Unaggregatable, match="has no order"):
        aggregate(A.Min(), value)


@pytest.mark.parametrize(
    ("q", "expected"), [(0, 1.0), (0.25, 1.75), (0.5, 2.5), (1, 10.0)]
)  # fmt: skip
def test_quantiles(q: float, expected: float) -> None:
    assert aggregate(A.Quantile(None, q), 3, Decimal("10.0"), 2.0, 1) == expected


@pytest.mark.parametrize("number", [10**400, Decimal("1E+400")])
def test_a_quantile_has_only_numbers_that_are_doubles(number: Any) -> None:
    with pytest.raises(Unaggregatable, match="out of the range"):
        aggregate(A.Quantile(None, 0.5), number)


# Events


def test_first_and_last_go_by_time_then_by_sequence() -> None:
    arrivals = [("b", (5, 1)), ("c", (5, 2)), ("d", (9, 0)), ("a", (1, 7)), (None, (0, 0))]

    for changelog in (False, True):
        found = []
        for function in (A.First(changelog=changelog), A.Last(changelog=changelog), A.Collect()):
            state = function.create()
            for value, at in arrivals:
                state = function.add(state, value, at)
            found.append(function.result(state))
        assert found == ["a", "d", [None, "a", "b", "c", "d"]]


def test_of_equal_values_the_one_of_that_event_is_taken_back_or_else_the_first() -> None:
    function = A.Collect(changelog=True)
    state = function.create()
    for sequence, value in enumerate(["v", "w", "v", "x", "v"]):
        state = function.add(state, value, (0, sequence))

    state = function.retract(state, "v", (0, 2))
    assert function.result(state) == ["v", "w", "x", "v"]
    state = function.retract(state, "v", (99, 99))
    assert function.result(state) == ["w", "x", "v"]


def test_a_value_beyond_the_limit_moves_up() -> None:
    function = A.Collect(limit=2, changelog=True)
    state = function.create()
    for sequence, value in enumerate("abc"):
        state = function.add(state, value, (0, sequence))
    before = function.result(state)

    state = function.retract(state, "a", (0, 0))

    assert (before, function.result(state)) == (["a", "b"], ["b", "c"])


# Equality


def test_what_is_distinct() -> None:
    values = [1, Decimal("1.0"), 1.0, True, "1", [1], [Decimal("1.0")], [True], [None]]
    documents = [{"a": 1, "b": [1]}, {"b": [1.0], "a": 1}, {"a": 1, "b": [1, None]}, {}]

    assert aggregate(A.CountDistinct(), *values) == 6
    assert aggregate(A.CountDistinct(), *documents) == 3


def test_what_cannot_be_compared_is_not_counted() -> None:
    with pytest.raises(Unaggregatable, match="of type set cannot be compared"):
        aggregate(A.CountDistinct("x"), {"x": {1}})


# Taking back


@pytest.mark.parametrize(
    "function",
    [
        A.Count(),
        A.Sum(),
        A.Avg(),
        A.CountDistinct(),
        A.Quantile(None, 0.5),
        A.Min(changelog=True),
        A.Max(changelog=True),
        A.TopK(None, 2, changelog=True),
        A.First(changelog=True),
        A.Last(changelog=True),
        A.Collect(changelog=True),
    ],
    ids=repr,
)
def test_to_take_back_what_was_not_added_is_an_error(function: A) -> None:
    state = function.create()
    with pytest.raises(Unaggregatable, match="that was not added"):
        function.retract(state, 1, (0, 0))
    state = function.add(state, 1, (0, 0))
    before = function.result(state)

    if repr(function) != "<count(events)>":  # which does not look at the value
        with pytest.raises(Unaggregatable, match="that was not added"):
            function.retract(state, 2, (0, 0))

    assert function.result(state) == before
    state = function.retract(state, 1, (0, 0))
    assert function.result(state) == function.result(function.create())


@pytest.mark.parametrize("value", ["1.00", "2.0"])
@pytest.mark.parametrize("function", [A.Sum(), A.Max(changelog=True), A.Collect(changelog=True)])
def test_a_value_is_taken_back_as_it_looked(function: A, value: str) -> None:
    state = function.add(function.create(), Decimal("1.0"), (0, 0))

    with pytest.raises(Unaggregatable, match="exactly as it was"):
        function.retract(state, Decimal(value), (0, 0))


@pytest.mark.parametrize(
    "function", [A.Min(), A.Max(), A.TopK(None, 2), A.First(), A.Last(), A.Collect()], ids=repr
)
def test_without_changelog_nothing_is_taken_back(function: A) -> None:
    state = function.add(function.create(), 1, (0, 0))

    assert not function.retracts
    with pytest.raises(Unaggregatable, match="changelog=True"):
        function.retract(state, 1, (0, 0))


# States


@pytest.mark.parametrize("name", ["first", "last", "collect", "min", "max", "topk"])
def test_a_copy_of_a_state_shares_nothing_with_it(name: str) -> None:
    function = ONE_COLUMN[name](None)
    value = [[1]]
    plain = function.dump(function.add(function.create(), value, (0, 0)))

    value[0].append(2)
    state = function.load(plain)
    for entry in plain:
        for item in entry:
            if isinstance(item, list):
                item[0].append(3)

    assert function.result(state) in ([[1]], [[[1]]])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (A.Count(), 6),
        (A.Sum(), 12),
        (A.CountDistinct(), 2),
        (A.Quantile(None, 0.5), 2.0),
        (A.Max(changelog=True), 3),
        (A.TopK(None, 5), [3, 3, 3, 1, 1]),
        (A.TopK(None, 5, changelog=True), [3, 3, 3, 1, 1]),
        (A.Collect(), [1, 1, 1, 3, 3, 3]),
    ],
    ids=repr,
)
def test_what_both_states_have_counts_twice_and_is_taken_back_once(
    function: A, expected: Any
) -> None:
    a, b = function.create(), function.create()
    for place, value in enumerate([1, 1, 3]):
        a = function.add(a, value, (value, place))
    for place, value in enumerate([1, 3, 3]):
        b = function.add(b, value, (value, place))

    state = function.merge(a, b)
    assert function.result(state) == expected

    if function.retracts:
        for value in (1, 1, 1, 3, 3):
            state = function.retract(state, value, (value, 0))
        assert function.result(state) == aggregate(function, 3)
        state = function.retract(state, 3, (3, 0))
        assert function.result(state) == aggregate(function)


def test_a_result_stays_as_it_is() -> None:
    for function in (A.Collect(), A.TopK(None, 3), A.Fold(list, lambda s, value: [*s, value])):
        state = function.add(function.create(), 1, (0, 0))
        result = function.result(state)
        state = function.add(state, 2, (0, 1))
        assert (result, len(function.result(state))) == ([1], 2)


# Definitions


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: A.Sum(5), "field of an aggregation function is a int"),  # type: ignore[arg-type]
        (lambda: A.TopK("x", 0), r"k of topk\(x\) is 0"),
        (lambda: A.TopK("x", True), r"k of topk\(x\) is True"),
        (lambda: A.Collect("x", limit=0), r"limit of collect\(x\) is 0"),
        (lambda: A.Quantile("x", 1.1), r"q of quantile\(x\) is 1.1"),
        (lambda: A.Quantile("x", math.nan), r"q of quantile\(x\) is nan"),
        (lambda: A.Quantile("x", "0.5"), r"q of quantile\(x\) is '0.5'"),  # type: ignore[arg-type]
        (lambda: A.Fold(None, max), "create of a fold"),  # type: ignore[arg-type]
        (lambda: A.Fold(list, max, merge=5), "merge of a fold"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_definition_is_an_error(make: Callable[[], A], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_fold_says_what_it_cannot_do() -> None:
    fold = A.Fold(create=int, add=lambda total, value: total + value)
    state = fold.add(fold.create(), 5, (0, 0))

    assert (fold.retracts, fold.merges, fold.result(state)) == (False, False, 5)
    with pytest.raises(Unaggregatable, match="without retract"):
        fold.retract(state, 5, (0, 0))
    with pytest.raises(Unaggregatable, match="without merge"):
        fold.merge(state, state)
