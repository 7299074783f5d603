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


class _Step:
    """A step with its conditions, each with its place.

    Args:
        config: the step.
        place: of it, for errors.
        names: of the steps that conditions can ask for what they have accepted.

    Raises:
        ConfigError: with the place of the condition or the table that is wrong.
    """

    def __init__(self, config: StepConfig, place: str, names: Sequence[str]) -> None:
        self.config = config
        self.place = place
        self.where = _conditions(config.where, f"{place}.where", names)
        self.others = _conditions(config.or_where, f"{place}.or_where", names)
        self.until = _conditions(config.until or (), f"{place}.until", names)
        self.covers = _covering(None if config.tables is None else patterns(config.tables, place))
        self._operations = _operations(config)
        if self.others and not self.where:
            with at_place(place):
                raise ConfigError("or_where needs where.", remedy="Write it as where.")

    @property
    def placed(self) -> list[tuple[str, Condition]]:
        """All conditions with their places."""
        return [*self.where, *self.others, *self.until]

    def applies(self, event: CdcEvent) -> bool:
        """Whether the step is about events of this table and operation."""
        return event.operation in self._operations and self.covers(event.relation)


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
        self.failure: ConfigError | None = None
        self._early: list[Early] = []
        self._accepting = 0
        names = [step.name for step in config.steps if not step.kind.startswith("not_")]
        self._steps = [
            _Step(step, f"{place}.steps[{i}]", names) for i, step in enumerate(config.steps)
        ]
        late = [placed for step in self._steps for placed in step.placed if placed[1].earlier]
        self._kept = KeptColumns(_columns_of([condition for _, condition in late]))
        self._late: dict[Condition, LateCondition] = {}
        for at, condition in late:
            with at_place(at):
                self._late[condition] = LateCondition(condition, self._kept, self._count_undecided)
        with at_place(f"{place}.skip"):
            skip = _skip(config)
        pattern: Pattern | None = None
        for step in self._steps:
            with at_place(step.place):
                pattern = self._judged(_added(pattern, step.config, skip), step)
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
        about = [step.config.name for step in self._steps if step.covers(relation)]
        for step in self._steps:
            covers = step.covers(relation)
            for place, condition in step.placed:
                with at_place(place, remedy="Let tables name the tables that the step is about."):
                    if condition.earlier:
                        self._late[condition].check(relation, covers, about)
                    elif covers:
                        condition.check(relation)

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
        return (row, met, self._kept.of(event)) if self._late else (row, met)

    def row_json(self, event: StreamEvent) -> str:
        """Return the row of an event that was accepted, as JSON."""
        row: str = event.value[0]
        return row

    def _judged(self, pattern: Pattern, step: _Step) -> Pattern:
        """Add the conditions of the step that was added last."""
        where = [condition for _, condition in step.where]
        others = [condition for _, condition in step.others]
        if any(condition.earlier for condition in (*where, *others)):
            bit = self._early_bit(step.applies)
            all_of = [self._term(condition, step) for condition in where]
            any_of = [self._term(condition, step) for condition in others]

            def accepts(event: StreamEvent, matched: Matched) -> bool:
                return bool(event.value[1] & bit) and (
                    all(holds(event, matched) for holds in all_of)
                    or any(holds(event, matched) for holds in any_of)
                )

            pattern = pattern.where(accepts)
        else:

            def accepts_early(event: CdcEvent) -> bool:
                return step.applies(event) and (
                    all(holds(event) for holds in where) or any(holds(event) for holds in others)
                )

            bit = self._early_bit(accepts_early)
            pattern = pattern.where(lambda event: bool(event.value[1] & bit))
        self._accepting |= bit
        for _, condition in step.until:
            pattern = pattern.until(self._term(condition, step))
        return pattern

    def _term(self, condition: Condition, step: _Step) -> Late:
        if not condition.earlier:
            bit = self._early_bit(lambda event: step.applies(event) and condition(event))
            return lambda event, matched: bool(event.value[1] & bit)
        late = self._late[condition]

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


def _columns_of(conditions: Sequence[Condition]) -> list[str]:
    """Return the columns that late conditions read of their event and of earlier ones."""
    names: dict[str, None] = {}
    for condition in conditions:
        names |= dict.fromkeys(name for _, name in condition.columns)
        names |= dict.fromkeys(term.column for term in condition.earlier if term.column)
    return list(names)


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
