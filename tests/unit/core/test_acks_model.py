"""``AckTracker`` against a naive model: any stream, any order of reports, any restart."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from bridge.core.acks import AckTracker
from bridge.core.events import NON_TRANSACTIONAL, Commit, Position

START = 100
PARTICIPANTS = ("file", "kafka", "windows")


@dataclass(frozen=True)
class Entry:
    """A transaction in the WAL, or a message outside of any."""

    commit: Commit
    events: tuple[Position, ...]


@st.composite
def wal(draw: st.DrawFn) -> list[Entry]:
    """Draw a WAL in which neighbours often share their borders."""
    entries = []
    lsn = START
    for _ in range(draw(st.integers(1, 12))):
        lsn += draw(st.sampled_from([0, 0, 5]))
        size = draw(st.sampled_from([0, 0, 1, 1, 2, 5, None]))
        if size is None:
            lsn += 3  # a message stands where its record ends
            commit = Commit(lsn, NON_TRANSACTIONAL, lsn)
            entries.append(Entry(commit, (Position(lsn, NON_TRANSACTIONAL),)))
        else:
            commit = Commit(lsn, size - 1 if size else None, lsn + 4)
            entries.append(Entry(commit, tuple(Position(lsn, n) for n in range(size))))
            lsn += 4
    return entries


class Bridge(RuleBasedStateMachine):
    """A server with a WAL, a connection that breaks, a process that is killed, and the tracker."""

    @initialize(entries=wal(), participants=st.integers(0, len(PARTICIPANTS)))
    def begin(self, entries: list[Entry], participants: int) -> None:
        self.wal = entries
        self.held: dict[str, Position | None] = dict.fromkeys(PARTICIPANTS[:participants])
        self.confirmed_so_far = [START]
        self.start_process(START)

    # The server

    def start_process(self, flush: int) -> None:
        self.tracker = AckTracker(dict(self.held), flush)
        self.resume = min((p or Position(0, -2) for p in self.held.values()), default=None)
        self.handed: list[Position] = []
        self.commits: list[Commit] = []
        self.expected = self.received = flush
        self.keepalives = {flush}
        self.connect(flush)

    def connect(self, flush: int) -> None:
        """Begin at the first transaction that the slot does not skip."""
        self.entry = next(
            (i for i, e in enumerate(self.wal) if not self.skipped(e.commit, flush)), len(self.wal)
        )
        self.event = 0

    @staticmethod
    def skipped(commit: Commit, flush: int) -> bool:
        if commit.last_ordinal == NON_TRANSACTIONAL:
            return commit.end_lsn <= flush
        return commit.commit_lsn < flush

    @property
    def in_transaction(self) -> bool:
        return self.event > 0

    # What happens

    @precondition(lambda self: self.entry < len(self.wal))
    @rule(steps=st.integers(1, 8))
    def receive(self, steps: int) -> None:
        """Receive a batch of so many rows and commits, without the rows known from before."""
        commits, last = [], None
        for _ in range(steps):
            if self.entry == len(self.wal):
                break
            entry = self.wal[self.entry]
            if self.event < len(entry.events):
                at = entry.events[self.event]
                self.event += 1
                known = self.handed[-1] if self.handed else self.resume
                if known is None or at > known:
                    self.handed.append(at)
                    last = at
            if self.event == len(entry.events):
                commits.append(entry.commit)
                self.entry, self.event = self.entry + 1, 0
        self.tracker.hand_out(last, commits, open_transaction=self.in_transaction)
        self.commits += commits
        self.received = max([self.received, *(commit.end_lsn for commit in commits)])

    @rule(share=st.floats(0, 1))
    def keepalive(self, share: float) -> None:
        """The server says how far it has read: no further than the next commit."""
        low = self.wal[self.entry - 1].commit.end_lsn if self.entry else START
        following = self.wal[self.entry].commit if self.entry < len(self.wal) else None
        high = following.commit_lsn if following else low + 50
        if following and following.last_ordinal == NON_TRANSACTIONAL:
            high -= 3
        wal_end = low + int(max(0, high - low) * share)
        idle = not self.in_transaction and self.all_settled()
        self.tracker.keepalive(wal_end)
        self.received = max(self.received, wal_end)
        if idle:
            self.keepalives.add(wal_end)
            self.expected = max(self.expected, wal_end)

    @precondition(lambda self: self.held and self.handed)
    @rule(data=st.data())
    def report(self, data: st.DataObject) -> None:
        """A participant reports: the newest, an old one again, or something in between."""
        participant = data.draw(st.sampled_from(sorted(self.held)))
        at = data.draw(st.sampled_from(self.handed))
        self.tracker.became_durable(participant, at)
        self.held[participant] = max(at, self.held[participant] or at)

    @precondition(lambda self: self.held and self.handed)
    @rule()
    def drain(self) -> None:
        """Every participant reports everything."""
        for participant in self.held:
            self.tracker.became_durable(participant, self.handed[-1])
            self.held[participant] = max(self.handed[-1], self.held[participant] or Position(0, 0))

    @rule(data=st.data())
    def lose_connection(self, data: st.DataObject) -> None:
        """The server goes on from what it was told, or, after a crash, from something earlier."""
        self.tracker.stream_restarted()
        self.connect(data.draw(st.sampled_from(self.confirmed_so_far)))

    @rule(data=st.data())
    def kill_process(self, data: st.DataObject) -> None:
        """Only what is durable survives."""
        flush = data.draw(st.sampled_from(self.confirmed_so_far))
        self.confirmed_so_far = [lsn for lsn in self.confirmed_so_far if lsn <= flush]
        self.start_process(flush)

    # What must hold

    def settled(self, at: Position) -> bool:
        return all(held is not None and held >= at for held in self.held.values())

    def all_settled(self) -> bool:
        return all(self.settled(at) for at in self.handed)

    @invariant()
    def what_the_server_would_skip_is_held_by_all(self) -> None:
        for entry in self.wal:
            if self.skipped(entry.commit, self.tracker.confirmed):
                assert all(self.settled(at) for at in entry.events), entry

    @invariant()
    def exactly_the_settled_prefix_is_confirmed(self) -> None:
        for commit in sorted(self.commits, key=lambda c: (c.commit_lsn, c.end_lsn)):
            before = (e.events for e in self.wal if e.commit.end_lsn <= commit.end_lsn)
            handed = set(self.handed)
            if not all(self.settled(at) for events in before for at in events if at in handed):
                break
            self.expected = max(self.expected, commit.end_lsn)
        assert self.tracker.confirmed == self.expected

    @invariant()
    def it_never_goes_back(self) -> None:
        assert self.tracker.confirmed >= self.confirmed_so_far[-1]
        if self.tracker.confirmed > self.confirmed_so_far[-1]:
            self.confirmed_so_far.append(self.tracker.confirmed)

    @invariant()
    def it_is_the_end_of_a_commit_or_a_keepalive_and_was_received(self) -> None:
        assert self.tracker.received == self.received
        assert self.tracker.confirmed <= self.received
        ends = {entry.commit.end_lsn for entry in self.wal}
        assert self.tracker.confirmed in ends | self.keepalives

    @invariant()
    def it_knows_what_is_outstanding_and_who_holds_it_back(self) -> None:
        assert self.tracker.outstanding == (self.in_transaction or not self.all_settled())
        last = self.handed[-1] if self.handed else None
        behind = [
            name
            for name, held in self.held.items()
            if last is not None and (held is None or held < last)
        ]
        assert list(self.tracker.holders) == behind
        assert self.tracker.durable == self.held


TestBridge = Bridge.TestCase
TestBridge.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
