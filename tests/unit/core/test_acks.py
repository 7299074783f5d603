"""What may be confirmed to the server, case by case."""

from __future__ import annotations

import pytest

from bridge.core.acks import AckTracker
from bridge.core.errors import InvariantViolated
from bridge.core.events import NON_TRANSACTIONAL, Commit, Position

START = 0x100
A, B, C = Commit(0x200, 2, 0x230), Commit(0x300, 0, 0x330), Commit(0x400, 4, 0x430)
EMPTY = Commit(0x500, None, 0x530)
MESSAGE = Commit(0x280, NON_TRANSACTIONAL, 0x280)


def position(commit: Commit) -> Position:
    assert commit.last_ordinal is not None
    return Position(commit.commit_lsn, commit.last_ordinal)


def hand_out(tracker: AckTracker, *commits: Commit) -> None:
    """Hand out whole transactions in one batch."""
    ends = [position(commit) for commit in commits if commit.last_ordinal is not None]
    tracker.hand_out(ends[-1] if ends else None, commits, open_transaction=False)


def hand_out_part(tracker: AckTracker, commit: Commit, ordinal: int) -> None:
    tracker.hand_out(Position(commit.commit_lsn, ordinal), [], open_transaction=True)


@pytest.fixture
def tracker() -> AckTracker:
    return AckTracker(["file", "kafka"], START)


def all_durable(tracker: AckTracker, at: Position) -> None:
    for participant in tracker.durable:
        tracker.became_durable(participant, at)


def test_at_the_start_the_position_of_the_slot_is_confirmed(tracker: AckTracker) -> None:
    assert tracker.confirmed == tracker.received == START
    assert tracker.handed is None
    assert tracker.durable == {"file": None, "kafka": None}
    assert not tracker.outstanding
    assert tracker.holders == ()


def test_a_transaction_is_confirmed_when_every_participant_holds_it(tracker: AckTracker) -> None:
    hand_out(tracker, A)
    assert tracker.confirmed == START
    assert tracker.holders == ("file", "kafka")
    tracker.became_durable("kafka", position(A))
    assert tracker.confirmed == START
    assert tracker.holders == ("file",)
    tracker.became_durable("file", position(A))
    assert tracker.confirmed == A.end_lsn
    assert tracker.holders == ()
    assert not tracker.outstanding


def test_what_is_confirmed_is_the_end_of_a_commit_even_if_more_is_durable(
    tracker: AckTracker,
) -> None:
    hand_out(tracker, A, B)
    hand_out_part(tracker, C, 3)
    all_durable(tracker, Position(C.commit_lsn, 1))
    assert tracker.confirmed == B.end_lsn
    assert tracker.outstanding


def test_one_event_short_is_not_enough(tracker: AckTracker) -> None:
    hand_out(tracker, A)
    all_durable(tracker, Position(A.commit_lsn, A.last_ordinal - 1 if A.last_ordinal else 0))
    assert tracker.confirmed == START


def test_a_transaction_in_parts_counts_from_its_commit(tracker: AckTracker) -> None:
    for ordinal in range(5):
        hand_out_part(tracker, C, ordinal)
    all_durable(tracker, position(C))
    assert tracker.confirmed == START
    tracker.hand_out(None, [C], open_transaction=False)
    assert tracker.confirmed == C.end_lsn


def test_an_empty_transaction_waits_for_those_before_it(tracker: AckTracker) -> None:
    hand_out(tracker, A, EMPTY)
    tracker.became_durable("file", position(A))
    assert tracker.confirmed == START
    tracker.became_durable("kafka", position(A))
    assert tracker.confirmed == EMPTY.end_lsn


def test_an_empty_transaction_alone_is_confirmed_at_once(tracker: AckTracker) -> None:
    hand_out(tracker, EMPTY)
    assert tracker.confirmed == EMPTY.end_lsn


def test_a_message_outside_transactions_counts_like_a_transaction(tracker: AckTracker) -> None:
    hand_out(tracker, A, MESSAGE, B)
    all_durable(tracker, position(MESSAGE))
    assert tracker.confirmed == MESSAGE.end_lsn
    all_durable(tracker, position(B))
    assert tracker.confirmed == B.end_lsn


def test_a_message_at_the_border_of_a_commit_does_not_stand_for_it(tracker: AckTracker) -> None:
    message = Commit(B.commit_lsn, NON_TRANSACTIONAL, B.commit_lsn)
    hand_out(tracker, A, message, B)
    all_durable(tracker, position(message))
    # The server skips commits before the confirmed position, so it keeps the one that begins there.
    assert tracker.confirmed == B.commit_lsn


def test_reports_may_come_late_twice_and_out_of_order(tracker: AckTracker) -> None:
    hand_out(tracker, A, B, C)
    tracker.became_durable("file", position(C))
    tracker.became_durable("kafka", position(B))
    assert tracker.confirmed == B.end_lsn
    for late in (position(A), position(B), Position(A.commit_lsn, 0)):
        tracker.became_durable("kafka", late)
        tracker.became_durable("file", late)
    assert tracker.confirmed == B.end_lsn
    assert tracker.durable == {"file": position(C), "kafka": position(B)}


def test_a_keepalive_is_confirmed_with_nothing_outstanding(tracker: AckTracker) -> None:
    tracker.keepalive(0x150)
    assert tracker.confirmed == 0x150
    hand_out(tracker, A)
    all_durable(tracker, position(A))
    tracker.keepalive(0x900)
    assert tracker.confirmed == tracker.received == 0x900


def test_a_keepalive_is_only_received_while_something_is_outstanding(tracker: AckTracker) -> None:
    hand_out(tracker, A)
    tracker.keepalive(0x900)
    assert (tracker.confirmed, tracker.received) == (START, 0x900)
    tracker.became_durable("file", position(A))
    tracker.keepalive(0x901)
    assert tracker.confirmed == START
    tracker.became_durable("kafka", position(A))
    assert tracker.confirmed == A.end_lsn
    tracker.keepalive(0x902)
    assert tracker.confirmed == 0x902


def test_a_keepalive_inside_a_transaction_is_not_confirmed(tracker: AckTracker) -> None:
    tracker.hand_out(None, [], open_transaction=True)
    tracker.keepalive(0x900)
    hand_out_part(tracker, A, 0)
    all_durable(tracker, Position(A.commit_lsn, 0))
    tracker.keepalive(0x901)
    assert tracker.confirmed == START


def test_a_keepalive_of_the_past_changes_nothing(tracker: AckTracker) -> None:
    tracker.keepalive(0x900)
    tracker.keepalive(0x150)
    assert tracker.confirmed == tracker.received == 0x900


def test_without_participants_a_transaction_counts_as_soon_as_it_is_received() -> None:
    tracker = AckTracker([], START)
    hand_out(tracker, A)
    assert tracker.confirmed == A.end_lsn
    hand_out_part(tracker, B, 0)
    tracker.keepalive(0x900)
    assert tracker.confirmed == A.end_lsn


def test_after_a_lost_connection_the_open_transaction_comes_again(tracker: AckTracker) -> None:
    hand_out(tracker, A)
    hand_out_part(tracker, C, 2)
    all_durable(tracker, Position(C.commit_lsn, 2))
    tracker.stream_restarted()
    tracker.keepalive(0x3FF)
    assert tracker.confirmed == 0x3FF
    tracker.hand_out(Position(C.commit_lsn, 4), [C], open_transaction=False)
    assert tracker.confirmed == 0x3FF
    all_durable(tracker, position(C))
    assert tracker.confirmed == C.end_lsn


def test_transactions_that_come_again_are_confirmed_no_earlier(tracker: AckTracker) -> None:
    hand_out(tracker, A, B, C)
    tracker.became_durable("file", position(C))
    tracker.stream_restarted()
    # The events were dropped as known; their commits are not.
    tracker.hand_out(None, [A, B, C, EMPTY], open_transaction=False)
    assert tracker.confirmed == START
    tracker.became_durable("kafka", position(A))
    assert tracker.confirmed == A.end_lsn
    tracker.became_durable("kafka", position(C))
    assert tracker.confirmed == EMPTY.end_lsn


def test_a_transaction_that_comes_again_takes_nothing_back_of_what_later_ones_allow(
    tracker: AckTracker,
) -> None:
    hand_out(tracker, A, B)
    hand_out_part(tracker, C, 1)
    tracker.stream_restarted()
    tracker.hand_out(None, [A], open_transaction=False)
    all_durable(tracker, Position(C.commit_lsn, 1))
    assert tracker.confirmed == B.end_lsn


def test_a_restart_goes_on_from_what_the_participants_hold() -> None:
    tracker = AckTracker({"file": position(C), "kafka": position(A)}, START)
    assert tracker.durable == {"file": position(C), "kafka": position(A)}
    hand_out(tracker, A)
    assert tracker.confirmed == A.end_lsn
    hand_out(tracker, B)
    assert tracker.confirmed == A.end_lsn
    assert tracker.holders == ("kafka",)
    tracker.became_durable("kafka", position(B))
    assert tracker.confirmed == B.end_lsn


def test_a_participant_that_holds_less_than_the_slot_confirmed_takes_nothing_back() -> None:
    tracker = AckTracker({"file": Position(0x50, 0)}, START)
    assert tracker.confirmed == START
    hand_out(tracker, A)
    assert tracker.confirmed == START


def test_a_report_beyond_what_was_handed_out_ends_the_process(tracker: AckTracker) -> None:
    hand_out(tracker, A)
    with pytest.raises(InvariantViolated, match="kafka reports 0/300:0"):
        tracker.became_durable("kafka", position(B))
    assert tracker.confirmed == START


def test_a_participant_may_repeat_what_it_held_at_the_start() -> None:
    tracker = AckTracker({"file": position(C)}, START)
    tracker.became_durable("file", position(C))
    assert tracker.confirmed == START


def test_an_unknown_participant_is_a_fault_of_the_program(tracker: AckTracker) -> None:
    with pytest.raises(KeyError):
        tracker.became_durable("webhook", position(A))


def test_empty_transactions_take_no_memory_while_a_participant_is_stuck(
    tracker: AckTracker,
) -> None:
    hand_out(tracker, A)
    for lsn in range(0x500, 0x1500, 4):
        hand_out(tracker, Commit(lsn, None, lsn + 3))
    assert len(tracker._commits) == 1
    all_durable(tracker, position(A))
    assert tracker.confirmed == lsn + 3


def test_lost_connections_take_no_memory_while_a_participant_is_stuck(
    tracker: AckTracker,
) -> None:
    for _ in range(5):
        tracker.stream_restarted()
        tracker.hand_out(position(C), [A, B, C], open_transaction=False)
    assert sum(map(len, tracker._commits)) == 3
