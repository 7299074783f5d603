"""From a pattern to a non-deterministic automaton.

A state says which step accepted the last event and what may happen with the next one: a list of
*moves*, each of which waits for an event of one step. An event makes a run branch: with every move
it may be *taken*, which leads to a state after that step, or *passed over*, which leads to a state
that waits for the same step alone. So each way to a match exists in one run only:

::

    after a ──take b──▶ after b ──take b──▶ after b (one_or_more: to itself)
       │ pass over          │ pass over ──▶ waiting for b after b
       ▼                    └ pass over ──▶ waiting for c after b ──take c──▶ match
    waiting for b after a

States are named by plain tuples, and made when first needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from bridge.processing.patterns.conditions import Criteria
from bridge.processing.patterns.definition import Contiguity, Negation, Pattern, Step, check


class Loop(NamedTuple):
    """A greedy step that a run has left, or passed by, although it could have taken more.

    Such a run goes as soon as an event comes that the step would have taken.

    Attributes:
        step: its number.
        entered: whether it has accepted an event.
    """

    step: int
    entered: bool


class After(NamedTuple):
    """Name of the state right after an event was accepted.

    Attributes:
        step: number of the step that accepted it; -1 before the first event.
        accepted: how many events that step has; in a loop without end, no more than its least.
    """

    step: int
    accepted: int


class Waiting(NamedTuple):
    """Name of the state that waits for an event of one step, having passed over at least one event.

    Attributes:
        after: number of the step that accepted the last event.
        step: number of the step that is waited for; past the last one, only for the window to end.
        accepted: how many events the step has.
        loops: the greedy steps that must not have been able to take more.
    """

    after: int
    step: int
    accepted: int
    loops: tuple[Loop, ...]


StateName: TypeAlias = After | Waiting


@dataclass(frozen=True, slots=True)
class Move:
    """What a run waits for.

    Attributes:
        step: number of the step; past the last one if it waits for the window to end.
        accepted: how many events the step has.
        taken: the state after an event of the step.
        contiguity: which events may be passed over.
        loops: the greedy steps that must not be able to take the event.
    """

    step: int
    accepted: int
    taken: After
    contiguity: Contiguity
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True)
class State:
    """A state of the automaton.

    Attributes:
        name: as plain data.
        moves: what may happen next.
        forbidden: an event that meets one of these ends the run.
        matches: whether the events so far are a match.
        matches_next: whether they are one once an event has come that is not forbidden.
        matches_at_end: whether they are one once the window has ended.
    """

    name: StateName
    moves: tuple[Move, ...]
    forbidden: tuple[Criteria, ...]
    matches: bool
    matches_next: bool
    matches_at_end: bool


START: Final = After(-1, 0)
"""Name of the state before the first event."""


class Automaton:
    """The automaton of one pattern.

    Args:
        pattern: what to match.

    Attributes:
        steps: those that take events. All numbers of steps refer to it.

    Raises:
        ConfigError: the pattern cannot be matched.
    """

    def __init__(self, pattern: Pattern) -> None:
        check(pattern)
        self.steps: tuple[Step, ...] = tuple(s for s in pattern.steps if s.negation is None)
        self._banned: list[list[Step]] = [[] for _ in self.steps]
        number = -1
        for step in pattern.steps:
            if step.negation is None:
                number += 1
            else:
                self._banned[number].append(step)
        self._states: dict[StateName, State] = {}

    def state(self, name: StateName) -> State:
        """Return the state with this name."""
        state = self._states.get(name)
        if state is None:
            state = self._after(name) if isinstance(name, After) else self._waiting(name)
            self._states[name] = state
        return state

    def _after(self, name: After) -> State:
        number, accepted = name
        if number < 0:
            return State(name, tuple(self._entries(0, ())), (), False, False, False)
        step = self.steps[number]
        complete = accepted >= step.least
        moves: list[Move] = []
        loops: tuple[Loop, ...] = ()
        if step.most is None or accepted < step.most:
            moves.append(self._again(number, accepted))
            if step.greedy:
                loops = (Loop(number, True),)
        if complete:
            moves += self._entries(number + 1, loops)
        banned = self._banned[number]
        last = number == len(self.steps) - 1
        ends = complete and all(later.optional for later in self.steps[number + 1 :])
        lingers = last and any(ban.negation is Negation.FOLLOWED_BY for ban in banned)
        return State(
            name,
            tuple(moves),
            tuple(b.criteria for b in banned if complete or b.negation is Negation.FOLLOWED_BY),
            matches=ends and not (last and banned),
            matches_next=ends and last and bool(banned) and not lingers,
            matches_at_end=ends and lingers,
        )

    def _waiting(self, name: Waiting) -> State:
        after, number, accepted, loops = name
        banned = [b for b in self._banned[after] if b.negation is Negation.FOLLOWED_BY]
        at_end = number == len(self.steps)
        if at_end:
            move = self._end()
        elif accepted:
            move = self._again(number, accepted)
        else:
            move = self._entry(number, loops)
        forbidden = tuple(ban.criteria for ban in banned)
        return State(name, (move,), forbidden, False, False, matches_at_end=at_end)

    def _again(self, number: int, accepted: int) -> Move:
        step = self.steps[number]
        more = min(accepted + 1, step.least) if step.most is None else accepted + 1
        return Move(number, accepted, After(number, more), step.inner, ())

    def _entries(self, number: int, loops: tuple[Loop, ...]) -> list[Move]:
        """Return the moves into the steps from this one up to the first that has to happen."""
        moves = []
        while number < len(self.steps):
            step = self.steps[number]
            moves.append(self._entry(number, loops))
            if not step.optional:
                return moves
            if step.greedy:
                loops = (*loops, Loop(number, False))
            number += 1
        if any(ban.negation is Negation.FOLLOWED_BY for ban in self._banned[-1]):
            moves.append(self._end())
        return moves

    def _entry(self, number: int, loops: tuple[Loop, ...]) -> Move:
        return Move(number, 0, After(number, 1), self.steps[number].contiguity, loops)

    def _end(self) -> Move:
        return Move(len(self.steps), 0, START, Contiguity.ANY, ())
