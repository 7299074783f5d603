"""When to read, to pause and to give up the connection."""

from __future__ import annotations

from bridge.runtime.pacing import Pace, Pacing


def test_with_room_the_stream_is_read() -> None:
    pacing = Pacing(max_pause_s=20)
    assert pacing.next(congested=False, full=False, now=0) is Pace.READ


def test_a_congested_sink_gets_a_moment_before_the_disk_is_used() -> None:
    pacing = Pacing(max_pause_s=20, spool_after_s=1)
    assert pacing.next(congested=True, full=False, now=0) is Pace.PAUSE
    assert pacing.next(congested=True, full=False, now=0.9) is Pace.PAUSE
    assert pacing.next(congested=True, full=False, now=1) is Pace.READ


def test_the_moment_begins_anew_after_every_progress() -> None:
    pacing = Pacing(max_pause_s=20, spool_after_s=1)
    assert pacing.next(congested=True, full=False, now=0) is Pace.PAUSE
    assert pacing.next(congested=False, full=False, now=0.9) is Pace.READ
    assert pacing.next(congested=True, full=False, now=1) is Pace.PAUSE


def test_a_full_spool_leads_to_giving_up_in_time() -> None:
    pacing = Pacing(max_pause_s=20)
    assert pacing.next(congested=True, full=True, now=100) is Pace.PAUSE
    assert pacing.next(congested=True, full=True, now=120) is Pace.PAUSE
    assert pacing.next(congested=True, full=True, now=120.1) is Pace.GIVE_UP


def test_the_limit_counts_from_when_the_spool_was_full() -> None:
    pacing = Pacing(max_pause_s=20, spool_after_s=1)
    pacing.next(congested=True, full=False, now=0)
    assert pacing.next(congested=True, full=False, now=50) is Pace.READ
    assert pacing.next(congested=True, full=True, now=60) is Pace.PAUSE
    assert pacing.next(congested=True, full=True, now=81) is Pace.GIVE_UP
