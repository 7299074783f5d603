"""Aggregation functions: one value of many, a value at a time, with SQL's rules.

``AggregationFunction.Sum("amount")`` and its like are definitions; the values live in states that
the caller holds. ``docs/processing-aggregates.md`` says what each function does.
"""

from __future__ import annotations

from bridge.processing.aggregates.counting import Count, CountDistinct
from bridge.processing.aggregates.errors import Unaggregatable
from bridge.processing.aggregates.folding import Fold
from bridge.processing.aggregates.function import AggregationFunction, At, Field
from bridge.processing.aggregates.numeric import Avg, Sum
from bridge.processing.aggregates.ordered import Max, Min, Quantile, TopK
from bridge.processing.aggregates.sequences import Collect, First, Last

__all__ = ["AggregationFunction", "At", "Field", "Unaggregatable"]

AggregationFunction.Count = Count
AggregationFunction.CountDistinct = CountDistinct
AggregationFunction.Sum = Sum
AggregationFunction.Avg = Avg
AggregationFunction.Quantile = Quantile
AggregationFunction.Min = Min
AggregationFunction.Max = Max
AggregationFunction.TopK = TopK
AggregationFunction.First = First
AggregationFunction.Last = Last
AggregationFunction.Collect = Collect
AggregationFunction.Fold = Fold
