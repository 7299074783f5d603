"""From the steps of a definition to a pattern, and to what is kept of each event for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from bridge.config.durations import duration_us
from bridge.config.patterns import PatternConfig, SkipConfig, StepConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent, Operation
from bridge.core.relation import Relation
from bridge.core.table_patterns import TablePattern
from bridge.dataflow.inputs import patterns
from bridge.dataflow.places import at_place
from bridge.dataflow.rows import row_json
from bridge.dataflow.step_conditions import KeptColumns, LateCondition, Matched
from bridge.expressions import Condition, compile_condition
from bridge.processing.events import StreamEvent
from bridge.processing.patterns import AfterMatchSkip, Pattern

Early: TypeAlias = Callable[[CdcEvent], bool | None]
Late: TypeAlias = Callable[[StreamEvent, Matched], bool | None]


class PatternSteps:
    """The steps of a definition.

    An event is kept as plain data: its row as JSON, a number with a bit for each early condition
    that it meets, and the texts that late conditions read. The row of an event that no step can
    accept is empty.

    Args:
        config: the definition.
        place: of the definition, for errors.

    Attributes:
        pattern: to look for.
        undecided: how often a condition had no value when its turn came; part of the state.
        failure: why a condition could not be judged at all, if that happened.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """

    def __init__(self, config: PatternConfig, place: str) -> None:
        self.undecided = 0
        self._early: list[Early] = []
        self._accepting = 0
        self._checks: list[Callable[[Relation], None]] = []
        self._accepts: dict[str, Callable[[Relation], bool]] = {}
        self.failure: ConfigError | None = None
        names = [s.name for s in config.steps if not s.kind.startswith("not_")]
        compiled = []
        for i, step in enumerate(config.steps):
            at = f"{place}.steps[{i}]"
            tables = None if step.tables is None else patterns(step.tables, at)
            self._accepts[step.name] = _covering(tables)
            compiled.append(
                (
                    step,
                    at,
                    _conditions(step.where, f"{at}.where", names),
                    _conditions(step.or_where, f"{at}.or_where", names),
                    _conditions(step.until or (), f"{at}.until", names),
                )
            )
        every = [c for _, _, *lists in compiled for each in lists for _, c in each]
        late = [condition for condition in every if condition.earlier]
        self._has_late = bool(late)
        self._kept = KeptColumns(
            list(
                dict.fromkeys(
                    name
                    for condition in late
                    for name in (
                        *(name for _, name in condition.columns),
                        *(term.column for term in condition.earlier if term.column),
                    )
                )
            )
        )
        with at_place(f"{place}.skip"):
            skip = _skip(config)
        pattern: Pattern | None = None
        for step, at, where, others, until in compiled:
            with at_place(at):
                pattern = _added(pattern, step, skip)
                if others and not where:
                    raise ConfigError("or_where needs where.", remedy="Write it as where.")
            pattern = self._judged(pattern, step, where, others, until, at)
        assert pattern is not None
        if config.within is not None:
            with at_place(f"{place}.within"):
                pattern = pattern.within(duration_us(config.within))
        self.pattern = pattern

    def check(self, relation: Relation) -> None:
        """Check that a table has the columns that the conditions name.

        Raises:
            ConfigError: with the place of the condition.
        """
        for check in self._checks:
            check(relation)

    def value(self, event: CdcEvent) -> tuple[Any, ...]:
        """Return what is kept of an event.

        Raises:
            EvaluationError: an early condition has no value.
        """
        met = 0
        for i, holds in enumerate(self._early):
            if holds(event):
                met |= 1 << i
        row = row_json(event) if met & self._accepting else ""
        return (row, met, self._kept.of(event)) if self._has_late else (row, met)

    def _judged(
        self,
        pattern: Pattern,
        step: StepConfig,
        where: list[tuple[str, Condition]],
        others: list[tuple[str, Condition]],
        until: list[tuple[str, Condition]],
        at: str,
    ) -> Pattern:
        """Add the conditions of the step that was added last."""
        covers, operations = self._accepts[step.name], _operations(step)

        def applies(event: CdcEvent) -> bool:
            return event.operation in operations and covers(event.relation)

        for place, condition in (*where, *others, *until):
            self._checks.append(self._check(place, condition, covers))
        with at_place(at):
            demanded = [condition for _, condition in where]
            enough = [condition for _, condition in others]
            if any(condition.earlier for condition in (*demanded, *enough)):
                bit = self._early_bit(applies)
                all_of = [self._term(condition, applies) for condition in demanded]
                any_of = [self._term(condition, applies) for condition in enough]

                def accepts(event: StreamEvent, matched: Matched) -> bool:
                    return bool(event.value[1] & bit) and (
                        all(holds(event, matched) for holds in all_of)
                        or any(holds(event, matched) for holds in any_of)
                    )

                pattern = pattern.where(accepts)
            else:
                bit = self._early_bit(
                    lambda event: (
                        applies(event)
                        and (
                            all(holds(event) for holds in demanded)
                            or any(holds(event) for holds in enough)
                        )
                    )
                )
                pattern = pattern.where(lambda event: bool(event.value[1] & bit))
            self._accepting |= bit
            for _, condition in until:
                pattern = pattern.until(self._term(condition, applies))
        return pattern

    def _term(self, condition: Condition, applies: Callable[[CdcEvent], bool]) -> Late:
        if not condition.earlier:
            bit = self._early_bit(lambda event: applies(event) and condition(event))
            return lambda event, matched: bool(event.value[1] & bit)
        late = LateCondition(condition, self._kept, self._count_undecided)

        def holds(event: StreamEvent, matched: Matched) -> bool | None:
            try:
                return late(event, matched)
            except ConfigError as error:  # the matcher tells no more than that something failed
                self.failure = error
                raise

        return holds

    def _early_bit(self, holds: Early) -> int:
        self._early.append(holds)
        return 1 << (len(self._early) - 1)

    def _count_undecided(self) -> None:
        self.undecided += 1

    def _check(
        self, place: str, condition: Condition, covers: Callable[[Relation], bool]
    ) -> Callable[[Relation], None]:
        late = None
        if condition.earlier:
            with at_place(place):
                late = LateCondition(condition, self._kept, self._count_undecided)

        def check(relation: Relation) -> None:
            with at_place(place, remedy="Let tables name the tables that the step is about."):
                if late is not None:
                    steps = [name for name, accepts in self._accepts.items() if accepts(relation)]
                    late.check(relation, covers(relation), steps)
                elif covers(relation):
                    condition.check(relation)

        return check


def _added(pattern: Pattern | None, step: StepConfig, skip: AfterMatchSkip) -> Pattern:
    """Return the pattern with one more step and its quantifiers."""
    if pattern is None:
        if step.kind != "begin":
            raise ConfigError(
                f"the first step is {step.kind}.", remedy=f"Write begin: {step.name}."
            )
        pattern = Pattern.begin(step.name, skip)
    elif step.kind == "begin":
        raise ConfigError("begin is for the first step.", remedy=f"Write followed_by: {step.name}.")
    else:
        pattern = getattr(pattern, step.kind)(step.name)
    assert pattern is not None
    if step.times is not None:
        counts = (step.times,) if isinstance(step.times, int) else step.times
        pattern = pattern.times(*counts)
    if step.times_or_more is not None:
        pattern = pattern.times_or_more(step.times_or_more)
    for option in ("one_or_more", "optional", "greedy", "consecutive", "allow_combinations"):
        if getattr(step, option):
            pattern = getattr(pattern, option)()
    return pattern


def _conditions(
    texts: str | Sequence[str], place: str, steps: Sequence[str]
) -> list[tuple[str, Condition]]:
    """Compile one condition, or several, each with its place."""
    if isinstance(texts, str):
        placed = [(place, texts)]
    else:
        placed = [(f"{place}[{i}]", text) for i, text in enumerate(texts)]
    conditions = []
    for at, text in placed:
        with at_place(at):
            conditions.append((at, compile_condition(text, steps=steps)))
    return conditions


def _covering(tables: Sequence[TablePattern] | None) -> Callable[[Relation], bool]:
    """Return whether a step is about a table; remembered for each relation."""
    if tables is None:
        return lambda relation: True
    known: dict[Relation, bool] = {}

    def covers(relation: Relation) -> bool:
        found = known.get(relation)
        if found is None:
            if len(known) >= 1000:
                known.clear()
            schema, table = relation.schema or "", relation.table or ""
            found = known[relation] = any(each.matches(schema, table) for each in tables)
        return found

    return covers


def _operations(step: StepConfig) -> frozenset[Operation]:
    names = step.operations
    return frozenset(Operation if names is None else (Operation[name.upper()] for name in names))


def _skip(config: PatternConfig) -> AfterMatchSkip:
    skip = config.skip
    if not isinstance(skip, SkipConfig):
        return {
            "none": AfterMatchSkip.no_skip,
            "to_next": AfterMatchSkip.skip_to_next,
            "past_last_event": AfterMatchSkip.skip_past_last_event,
        }[skip]()
    if skip.to_first is not None and skip.to_last is None:
        return AfterMatchSkip.skip_to_first(skip.to_first)
    if skip.to_last is not None and skip.to_first is None:
        return AfterMatchSkip.skip_to_last(skip.to_last)
    raise ConfigError(
        "a match skips to one event.", remedy="Write {to_first: STEP} or {to_last: STEP}."
    )
