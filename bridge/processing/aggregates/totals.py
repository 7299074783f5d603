"""The exact sum of numbers of every kind, from which numbers can be taken away again."""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from math import inf, isfinite, isnan, nan
from typing import Any, Final, TypeAlias

from bridge.processing.aggregates.errors import Absent, Unfit

Number: TypeAlias = int | Decimal | float
Kind: TypeAlias = str | int
"""What of a number shapes the result. A decimal counts under its scale."""

_INTEGER: Final = "integer"
_FLOAT: Final = "float"
_NAN: Final = "NaN"
_INFINITY: Final = "Infinity"
_MINUS_INFINITY: Final = "-Infinity"
_ONLY_INTEGERS: Final = frozenset({_INTEGER})

_ZERO: Final = Decimal(0)
_NO_FLOATS: Final = (0, 0)

_MAX_SCALE: Final = 16_383
"""Of a numeric; it has at most 131,072 digits before its point."""
_EXACT: Final = Context(
    prec=200_000, Emin=-200_000, Emax=200_000, traps=[Inexact, Overflow, InvalidOperation]
)
"""Wide enough for sums of any numerics; what would be rounded is an error."""


class Total:
    """The sum of the numbers that are present, without rounding.

    Attributes:
        count: how many numbers there are.
        integers: the sum of the integers.
        decimals: the sum of the finite decimals.
        floats: the sum of the finite floats as a numerator and an exponent, for
            numerator / 2**exponent.
        kinds: how many numbers there are of each kind.
    """

    __slots__ = ("_like", "_scale", "count", "decimals", "floats", "integers", "kinds")

    def __init__(self) -> None:
        self.count = 0
        self.integers = 0
        self.decimals = _ZERO
        self.floats = _NO_FLOATS
        self.kinds: dict[Kind, int] = {}
        # A decimal and its scale, which is slow to ask for and mostly the same.
        self._like = _ZERO
        self._scale = 0

    def add(self, item: Any, at: object) -> None:
        """Add a number."""
        # The quick ways for what is most common.
        if type(item) is int:
            self.integers += item
            kind: Kind = _INTEGER
        elif type(item) is Decimal and item.same_quantum(self._like):
            self.decimals = _sum(self.decimals, item)
            kind = self._scale
        else:
            self._move(item, _kinds_of(item), 1)
            return
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.count += 1

    def retract(self, item: Any, at: object) -> None:
        """Take a number away; only what shows in the counts or in an empty sum is noticed."""
        kinds = _kinds_of(item)
        if not all(kind in self.kinds for kind in kinds):
            raise Absent
        self._move(item, kinds, -1)
        if not self.count and (self.integers or self.decimals or self.floats[0]):
            self._move(item, kinds, 1)
            raise Absent

    def merge(self, other: Total) -> None:
        """Add the numbers of another sum."""
        if other.decimals is not _ZERO:
            self.decimals = _sum(self.decimals, other.decimals)
        if other.floats is not _NO_FLOATS:
            self.floats = _float_sum(self.floats, other.floats)
        self.integers += other.integers
        self.count += other.count
        for kind, count in other.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + count

    def dump(self) -> dict[str, Any]:
        """Return a copy as plain data."""
        return {
            "count": self.count,
            "integers": self.integers,
            "decimals": self.decimals,
            "floats": list(self.floats),
            "kinds": [[kind, count] for kind, count in self.kinds.items()],
        }

    @classmethod
    def load(cls, plain: dict[str, Any]) -> Total:
        """Return the sum that ``dump`` copied."""
        total = cls()
        total.count = plain["count"]
        total.integers = plain["integers"]
        total.decimals = plain["decimals"]
        numerator, exponent = plain["floats"]
        total.floats = (numerator, exponent)
        total.kinds = dict(plain["kinds"])
        return total

    @property
    def has_floats(self) -> bool:
        """Whether there is a float among the numbers: then the sum is one."""
        return _FLOAT in self.kinds

    @property
    def has_integers_only(self) -> bool:
        """Whether there is nothing but integers among the numbers."""
        return self.kinds.keys() <= _ONLY_INTEGERS

    @property
    def has_decimals(self) -> bool:
        """Whether there is a decimal among the numbers."""
        return any(isinstance(kind, int) for kind in self.kinds)

    def special(self) -> float | None:
        """Return the sum if it is NaN or infinite; None if it is finite."""
        if not self.kinds.keys() & {_NAN, _INFINITY, _MINUS_INFINITY}:
            return None
        if _NAN in self.kinds or {_INFINITY, _MINUS_INFINITY} <= self.kinds.keys():
            return nan
        return inf if _INFINITY in self.kinds else -inf

    def exact(self) -> Fraction:
        """Return the sum of the finite numbers."""
        numerator, exponent = self.floats
        return Fraction(numerator, 1 << exponent) + self.integers + Fraction(self.decimals)

    def decimal(self) -> Decimal:
        """Return the sum of integers and decimals, at the largest scale among them."""
        scale = max((kind for kind in self.kinds if isinstance(kind, int)), default=0)
        whole = _sum(self.decimals, Decimal(self.integers))
        value = whole.quantize(Decimal((0, (1,), -scale)), context=_EXACT)
        return value or value.copy_abs()  # zero has no sign

    def _move(self, item: Number, kinds: tuple[Kind, ...], by: int) -> None:
        """Add a number, or take it away where ``by`` is -1."""
        if isinstance(item, Decimal):
            if item.is_finite():
                self.decimals = _sum(self.decimals, item if by > 0 else item.copy_negate())
                scale = kinds[0]
                assert isinstance(scale, int)
                self._like, self._scale = item, scale
        elif isinstance(item, int):
            self.integers += by * item
        elif isfinite(item):
            numerator, denominator = item.as_integer_ratio()
            self.floats = _float_sum(self.floats, (by * numerator, denominator.bit_length() - 1))
        for kind in kinds:
            count = self.kinds.get(kind, 0) + by
            if count:
                self.kinds[kind] = count
            else:
                del self.kinds[kind]
        self.count += by


def rounded(value: Fraction) -> float:
    """Return the nearest double; infinite beyond the range."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return inf if value > 0 else -inf


def _kinds_of(item: Any) -> tuple[Kind, ...]:
    if isinstance(item, Decimal):
        exponent = item.as_tuple().exponent
        if isinstance(exponent, int):
            if exponent < -_MAX_SCALE:
                raise Unfit("has more digits than a numeric can have")
            return (max(0, -exponent),)
        return (0, _special(item.is_nan(), item.is_signed()))
    if isinstance(item, float):
        return (_FLOAT,) if isfinite(item) else (_FLOAT, _special(isnan(item), item < 0))
    if isinstance(item, int) and not isinstance(item, bool):
        return (_INTEGER,)
    raise Unfit("is no number")


def _special(is_nan: bool, negative: bool) -> str:
    if is_nan:
        return _NAN
    return _MINUS_INFINITY if negative else _INFINITY


def _sum(left: Decimal, right: Decimal) -> Decimal:
    try:
        return _EXACT.add(left, right)
    except DecimalException:
        raise Unfit("has more digits than a numeric can have") from None


def _float_sum(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    (a, low), (b, high) = (left, right) if left[1] <= right[1] else (right, left)
    return (a << (high - low)) + b, high
