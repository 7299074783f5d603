"""The partial matches of one key, and how an event moves them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bridge.processing.events import StreamEvent
from bridge.processing.patterns.automaton import START, Automaton, Loop, Move, State, Waiting
from bridge.processing.patterns.conditions import Matched
from bridge.processing.patterns.definition import Contiguity
from bridge.processing.patterns.skip import AfterMatchSkip


class Node:
    """An accepted event. Partial matches with a common beginning share the nodes of it.

    Attributes:
        step: number of the step that accepted it.
        event: what was accepted.
        ordinal: its number among all events that the matcher has looked at.
        parent: the event accepted before it; None for the first one.
        first: ordinal of the first event.
        began: timestamp of the first event, in microseconds.
        matched: whether the events up to this one became a match.
    """

    __slots__ = ("began", "event", "first", "matched", "ordinal", "parent", "step")

    def __init__(self, step: int, event: StreamEvent, ordinal: int, parent: Node | None) -> None:
        self.step = step
        self.event = event
        self.ordinal = ordinal
        self.parent = parent
        self.first: int = ordinal if parent is None else parent.first
        self.began: int = event.timestamp if parent is None else parent.began
        self.matched = False

    def path(self) -> list[Node]:
        """Return the nodes from the first event to this one."""
        nodes: list[Node] = []
        node: Node | None = self
        while node is not None:
            nodes.append(node)
            node = node.parent
        nodes.reverse()
        return nodes


class Run(NamedTuple):
    """A partial match: where it is in the automaton, and the last event it accepted."""

    state: State
    node: Node


class Found(NamedTuple):
    """A match.

    Attributes:
        node: its last event.
        end: the time at which it became certain, in microseconds.
    """

    node: Node
    end: int


@dataclass(slots=True)
class Runs:
    """Partial matches of one key.

    Attributes:
        open: in the order in which they began.
        held: matches that a skip strategy may still drop, since an earlier run is open.
    """

    open: list[Run] = field(default_factory=list)
    held: list[Found] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.open or self.held)


class Engine:
    """Moves runs on. It has no state of its own.

    Args:
        automaton: of the pattern.
        skip: what goes after a match.
    """

    def __init__(self, automaton: Automaton, skip: AfterMatchSkip) -> None:
        self._automaton: Final = automaton
        self._steps: Final = automaton.steps
        self._skip: Final = skip
        self._nothing: Final[Matched] = {step.name: () for step in automaton.steps}

    def feed(self, runs: Runs, event: StreamEvent, ordinal: int) -> list[Found]:
        """Move the runs of a key on by an event of it, and begin those that begin with it.

        Returns:
            The matches that are certain now.

        Raises:
            PatternFailed: a condition raised, or a skip strategy has nowhere to go.
        """
        before, runs.open = runs.open, []
        found: list[Found] = []
        for run in before:
            self._step(runs.open, found, run.state, run.node, event, ordinal)
        self._step(runs.open, found, self._automaton.state(START), None, event, ordinal)
        return self._settle(runs, found)

    def expire(self, runs: Runs, first: int, end: int) -> tuple[list[Found], list[Node]]:
        """End the runs that began with one event, since their window has ended.

        Args:
            runs: of one key.
            first: ordinal of the event.
            end: of the window, in microseconds.

        Returns:
            The matches that are certain now, and the last events of the runs that were none.

        Raises:
            PatternFailed: a skip strategy has nowhere to go.
        """
        over = [run for run in runs.open if run.node.first == first]
        runs.open = [run for run in runs.open if run.node.first != first]
        found: list[Found] = []
        for state, node in over:
            if state.matches_at_end:
                node.matched = True
                found.append(Found(node, end))
        # Several runs may wait for different steps after the same events: these are told once.
        lost = {id(node): node for _, node in over if not node.matched}
        return self._settle(runs, found), list(lost.values())

    def accepted(self, node: Node) -> dict[str, list[StreamEvent]]:
        """Return the events up to a node by the names of their steps, in the order of the steps."""
        events: dict[str, list[StreamEvent]] = {}
        for one in node.path():
            events.setdefault(self._steps[one.step].name, []).append(one.event)
        return events

    def _step(
        self,
        into: list[Run],
        found: list[Found],
        state: State,
        node: Node | None,
        event: StreamEvent,
        ordinal: int,
    ) -> None:
        """Add what becomes of one run with an event."""
        accepted = self._remembering(node)
        if any(ban.holds(event, accepted) for ban in state.forbidden):
            return
        if state.matches_next and node is not None:
            node.matched = True
            found.append(Found(node, event.timestamp))
        for move in state.moves:
            if any(self._takes(loop.step, event, accepted) for loop in move.loops):
                continue
            taken, passed = self._options(move, event, accepted)
            if taken:
                new = Node(move.step, event, ordinal, node)
                after = self._automaton.state(move.taken)
                if after.moves or after.matches_next:
                    into.append(Run(after, new))
                if after.matches:
                    new.matched = True
                    found.append(Found(new, event.timestamp))
            if passed and node is not None:
                into.append(Run(self._passed(node.step, move, event, accepted), node))

    def _options(
        self, move: Move, event: StreamEvent, accepted: Callable[[], Matched]
    ) -> tuple[bool, bool]:
        """Return whether a run may take the event with a move, and whether it may pass it over."""
        if move.step == len(self._steps):
            return False, True
        ended = self._ends(move.step, event, accepted)
        if ended and move.accepted:
            return False, False
        fits = self._steps[move.step].criteria.holds(event, accepted)
        passes = move.contiguity is Contiguity.ANY or (
            move.contiguity is Contiguity.RELAXED and not fits
        )
        return fits and not ended, passes

    def _ends(self, number: int, event: StreamEvent, accepted: Callable[[], Matched]) -> bool:
        until = self._steps[number].until
        return until is not None and until.holds(event, accepted)

    def _takes(self, number: int, event: StreamEvent, accepted: Callable[[], Matched]) -> bool:
        if self._ends(number, event, accepted):
            return False
        return self._steps[number].criteria.holds(event, accepted)

    def _passed(
        self, after: int, move: Move, event: StreamEvent, accepted: Callable[[], Matched]
    ) -> State:
        """Return the state in which the run goes on waiting."""
        loops = tuple(loop for loop in move.loops if self._goes_on(loop, event, accepted))
        return self._automaton.state(Waiting(after, move.step, move.accepted, loops))

    def _goes_on(self, loop: Loop, event: StreamEvent, accepted: Callable[[], Matched]) -> bool:
        """Return whether a greedy step could still take an event after it passed over this one."""
        step = self._steps[loop.step]
        if not loop.entered:
            return step.contiguity is not Contiguity.STRICT
        return step.inner is not Contiguity.STRICT and not self._ends(loop.step, event, accepted)

    def _remembering(self, node: Node | None) -> Callable[[], Matched]:
        """Return what gives the events accepted so far, worked out when first asked for."""
        known: Matched | None = None

        def accepted() -> Matched:
            nonlocal known
            if known is None:
                known = self._nothing if node is None else {**self._nothing, **self.accepted(node)}
            return known

        return accepted

    def _settle(self, runs: Runs, found: list[Found]) -> list[Found]:
        """Return the matches that stay, and drop what each of them makes go.

        With a strategy that skips, matches count in the order in which they begin: one waits as
        long as a run is open that began before it.
        """
        if not self._skip.skips:
            return found
        runs.held += found
        runs.held.sort(key=_first)
        settled: list[Found] = []
        while runs.held:
            match = runs.held[0]
            if any(run.node.first < match.node.first for run in runs.open):
                break
            del runs.held[0]
            settled.append(match)
            kept = self._skip.first_kept(self._ordinals(match.node))
            runs.open = [run for run in runs.open if run.node.first >= kept]
            runs.held = [other for other in runs.held if other.node.first >= kept]
        return settled

    def _ordinals(self, node: Node) -> dict[str, list[int]]:
        ordinals: dict[str, list[int]] = {}
        for one in node.path():
            ordinals.setdefault(self._steps[one.step].name, []).append(one.ordinal)
        return ordinals


def _first(match: Found) -> int:
    return match.node.first
