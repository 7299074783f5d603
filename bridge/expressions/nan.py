"""How PostgreSQL orders what is not a number."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any


class OrderedNaN:
    """A NaN that is equal to every NaN and above all other numbers; to be mixed into a number.

    See "NaN" in https://www.postgresql.org/docs/current/datatype-numeric.html: so numbers can be
    sorted.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float | Decimal) and math.isnan(other)

    def __ne__(self, other: object) -> bool:
        return not self.__eq__(other)

    def __lt__(self, other: Any) -> bool:
        return False

    def __le__(self, other: Any) -> bool:
        return self.__eq__(other)

    def __gt__(self, other: Any) -> bool:
        return not self.__eq__(other)

    def __ge__(self, other: Any) -> bool:
        return True

    def __hash__(self) -> int:
        return 0
