"""The spill of an optional sink: what was appended is there, whole and in order."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import EventBatch, Position
from bridge.runtime.backlog import BacklogLimits
from bridge.runtime.spill.log import Spill
from bridge.runtime.spill.segments import Waiting, segments_in, waiting_in
from bridge.runtime.worker import NewHistory
from tests.fixtures.events import as_json, make_batch, many_transactions, positions

ROOMY = BacklogLimits(max_events=1_000_000, max_bytes=1 << 30, spool_bytes=0)
NARROW = BacklogLimits(max_events=10, max_bytes=1 << 30, spool_bytes=0)
MIB = 1 << 20

MakeSpill = Callable[..., Spill]


@pytest.fixture
def make_spill(tmp_path: Path) -> Iterator[MakeSpill]:
    """Return a function that opens the spill in ``tmp_path``."""
    with ExitStack() as stack:

        def make(
            *,
            limit_bytes: int = 1 << 30,
            memory: BacklogLimits = ROOMY,
            delivered: Position | None = None,
            forget: Callable[[], None] = lambda: None,
        ) -> Spill:
            spill = Spill(
                tmp_path / "spill",
                limit_bytes=limit_bytes,
                memory=memory,
                delivered=delivered,
                forget=forget,
            )
            stack.callback(spill.close)
            return spill

        yield make


def fill(spill: Spill, *batches: EventBatch) -> None:
    for batch in batches:
        spill.append([batch])
        spill.publish()


def drain(spill: Spill) -> list[EventBatch]:
    """Take and release everything."""
    found: list[EventBatch] = []
    while not spill.empty:
        for batch in spill.take(0):
            found.append(batch)
            spill.release(batch)
    return found


def wide(lsn: int, size_bytes: int) -> EventBatch:
    batch = make_batch((lsn, 0), names=["x" * size_bytes])
    batch.size_bytes = size_bytes
    return batch


# First in, first out


@pytest.mark.parametrize("memory", [ROOMY, NARROW], ids=["from memory", "from disk"])
def test_what_is_appended_comes_out_in_order(make_spill: MakeSpill, memory: BacklogLimits) -> None:
    batches = many_transactions(40)
    spill = make_spill(memory=memory)
    fill(spill, *batches)
    assert spill.waiting.events == 120
    assert as_json(drain(spill)) == as_json(batches)
    assert spill.waiting == Waiting(0, 0)


def test_who_keeps_up_gets_the_very_batch(make_spill: MakeSpill) -> None:
    spill = make_spill()
    for batch in many_transactions(3):
        fill(spill, batch)
        [taken] = spill.take(0)
        assert taken is batch
        spill.release(taken)


def test_what_is_not_published_is_not_taken(make_spill: MakeSpill) -> None:
    spill = make_spill()
    spill.append(many_transactions(1))
    assert spill.empty
    assert spill.take(0) == []
    spill.publish()
    assert len(drain(spill)) == 1


def test_what_was_taken_counts_until_it_is_released(make_spill: MakeSpill) -> None:
    spill = make_spill(memory=NARROW)
    fill(spill, *many_transactions(20))
    taken = spill.take(0)
    assert sum(map(len, taken)) in range(10, 13)
    assert spill.take(0) == []
    for batch in taken:
        spill.release(batch)
    assert spill.take(0)


def test_stopped_it_gives_nothing_and_keeps_all(make_spill: MakeSpill) -> None:
    spill = make_spill()
    fill(spill, *many_transactions(3))
    spill.stop()
    assert spill.empty
    assert spill.take(0) == []
    assert spill.waiting.events == 9


@given(
    seed=st.integers(0, 1 << 32),
    steps=st.lists(st.sampled_from(["append", "append", "take", "release", "reopen"]), max_size=60),
    narrow=st.booleans(),
)
def test_no_sequence_of_steps_loses_or_reorders_anything(
    seed: int, steps: list[str], narrow: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    choose = random.Random(seed)
    directory = tmp_path_factory.mktemp("spill")
    memory = NARROW if narrow else ROOMY

    def open_spill() -> Spill:
        return Spill(directory, limit_bytes=128 * 1024, memory=memory, delivered=delivered)

    delivered: Position | None = None
    spill = open_spill()
    lsn = 0x1000
    appended: list[Position] = []
    done: list[Position] = []
    in_flight: list[EventBatch] = []
    for step in [*steps, "reopen", "take", "release"]:
        if step == "append":
            group = [wide(lsn + i, choose.randrange(20_000)) for i in range(choose.randrange(1, 4))]
            lsn += len(group)
            spill.append(group)
            spill.publish()
            appended += positions(group)
        elif step == "take":
            in_flight += spill.take(0)
        elif step == "release":
            while in_flight and (choose.random() < 0.8 or step is steps[-1:]):
                batch = in_flight.pop(0)
                spill.release(batch)
                done += positions([batch])
                delivered = batch.last
        else:
            spill.close()
            in_flight = []
            spill = open_spill()
    in_flight += spill.take(0)
    for batch in in_flight:
        spill.release(batch)
    done += positions(in_flight)
    done += positions(drain(spill))
    spill.close()
    assert done == appended


# The disk


def test_segments_go_when_they_are_not_needed(make_spill: MakeSpill) -> None:
    spill = make_spill(limit_bytes=MIB)
    for lsn in range(100):
        fill(spill, wide(lsn, 60_000))
        drain(spill)
        assert spill.disk_bytes < MIB // 2
    assert len(segments_in(spill._directory)) <= 2
    assert spill.disk_bytes == sum(s.path.stat().st_size for s in segments_in(spill._directory))


def test_it_is_full_at_its_bound_and_has_room_again_when_half_is_released(
    make_spill: MakeSpill,
) -> None:
    spill = make_spill(limit_bytes=MIB)
    lsn = 0
    while spill.has_room_for(60_000):
        lsn += 1
        fill(spill, wide(lsn, 60_000))
    assert lsn == 17
    assert spill.disk_bytes <= MIB
    assert not spill.half_empty
    released = 0
    for batch in spill.take(0):
        if spill.half_empty:
            break
        spill.release(batch)
        released += 1
    assert 8 <= released < 14
    assert spill.has_room_for(60_000)


def test_an_empty_spill_takes_what_is_larger_than_its_bound(make_spill: MakeSpill) -> None:
    spill = make_spill(limit_bytes=64 * 1024)
    assert spill.has_room_for(MIB)
    fill(spill, wide(1, MIB))
    assert not spill.has_room_for(1)


def test_what_the_disk_does_not_take_changes_nothing(
    make_spill: MakeSpill, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = make_spill()
    fill(spill, *many_transactions(2))
    before = spill.disk_bytes

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            spill.append(many_transactions(1, first_lsn=0x9000))
    assert spill.disk_bytes == before
    fill(spill, *many_transactions(1, first_lsn=0xA000))
    spill.close()
    assert [p.commit_lsn for p in positions(drain(make_spill()))][::3] == [0x1000, 0x1100, 0xA000]


# After a restart


def test_a_restart_goes_on_behind_what_the_sink_holds(make_spill: MakeSpill) -> None:
    batches = many_transactions(10)
    spill = make_spill()
    fill(spill, *batches)
    spill.close()
    again = make_spill(delivered=batches[3].last)
    assert again.delivered == batches[3].last
    assert again.last == batches[-1].last
    assert again.waiting.events == 18
    assert as_json(drain(again)) == as_json(batches[4:])


def test_a_record_of_which_a_part_is_held_comes_whole(make_spill: MakeSpill) -> None:
    [batch] = many_transactions(1)
    spill = make_spill()
    fill(spill, batch)
    spill.close()
    again = make_spill(delivered=batch.events[1].position)
    assert as_json(drain(again)) == as_json([batch])


@pytest.mark.parametrize("cut", [1, 20, 40, 200])
def test_a_torn_tail_is_cut_off_and_what_follows_is_whole(make_spill: MakeSpill, cut: int) -> None:
    batches = many_transactions(4)
    spill = make_spill()
    fill(spill, *batches[:3])
    spill.close()
    [segment] = segments_in(spill._directory)
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole[:-cut])
    again = make_spill()
    assert again.last == batches[1].last
    fill(again, batches[3])
    assert as_json(drain(again)) == as_json([*batches[:2], batches[3]])


def test_a_tail_of_garbage_is_cut_off(make_spill: MakeSpill) -> None:
    batches = many_transactions(2)
    spill = make_spill()
    fill(spill, *batches)
    spill.close()
    [segment] = segments_in(spill._directory)
    whole = bytearray(segment.path.read_bytes())
    whole[-10] ^= 1
    segment.path.write_bytes(whole + b"\0" * 500)
    assert as_json(drain(make_spill())) == as_json(batches[:1])


def test_damage_that_is_no_torn_tail_is_named(make_spill: MakeSpill) -> None:
    spill = make_spill(limit_bytes=64 * 1024)
    fill(spill, *(wide(lsn, 20_000) for lsn in range(1, 4)))
    spill.close()
    first = segments_in(spill._directory)[0]
    first.path.write_bytes(first.path.read_bytes()[:-1])
    with pytest.raises(EnvironmentProblem, match=r"000000000001\.spill is damaged at byte 0"):
        make_spill()


def test_another_process_may_measure_it(make_spill: MakeSpill) -> None:
    batches = many_transactions(5)
    spill = make_spill()
    fill(spill, *batches)
    assert waiting_in(spill._directory, None) == spill.waiting
    assert waiting_in(spill._directory, batches[2].last).events == 6
    assert waiting_in(spill._directory / "none", None) == Waiting(0, 0)


def test_kill_9_while_it_writes_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from bridge.runtime.backlog import BacklogLimits
from bridge.runtime.spill.log import Spill
from tests.unit.runtime.test_spill import ROOMY, wide
spill = Spill(Path({str(tmp_path / "spill")!r}), limit_bytes=1 << 30, memory=ROOMY)
lsn = 0
while True:
    lsn += 1
    spill.append([wide(lsn, 1000 * (lsn % 50))])
    spill.publish()
    print(lsn, flush=True)
"""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    told = 0
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(random.Random(seed).randrange(50, 300)):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    told = int(rest[-1]) if rest else told
    spill = Spill(tmp_path / "spill", limit_bytes=1 << 30, memory=ROOMY)
    found = [place.commit_lsn for place in positions(drain(spill))]
    spill.close()
    print(f"{told} appended, {len(found)} found")
    assert found == list(range(1, len(found) + 1))
    assert len(found) - told in (0, 1)


# Histories


def test_the_old_history_comes_first_and_its_end_is_told(make_spill: MakeSpill) -> None:
    old, new = many_transactions(3, first_lsn=0x9000), many_transactions(3, first_lsn=0x1000)
    spill = make_spill()
    fill(spill, *old)
    spill.begin_history()
    assert spill.last is None
    fill(spill, *new)
    taken = spill.take(0)
    assert as_json(taken) == as_json(old)
    assert spill.take(0) == []  # the old one is not durable yet
    for batch in taken:
        spill.release(batch)
    with pytest.raises(NewHistory):
        spill.take(0)
    assert as_json(drain(spill)) == as_json(new)


def test_the_position_in_the_old_history_is_forgotten_with_it(make_spill: MakeSpill) -> None:
    old, new = many_transactions(3, first_lsn=0x9000), many_transactions(3, first_lsn=0x1000)
    forgotten: list[int] = []
    spill = make_spill()
    fill(spill, *old)
    spill.begin_history()
    fill(spill, *new)
    spill.close()
    again = make_spill(delivered=old[-1].last, forget=lambda: forgotten.append(1))
    assert forgotten == [1]
    assert again.delivered is None
    assert as_json(drain(again)) == as_json(new)


def test_a_new_history_behind_an_empty_spill_needs_no_telling(make_spill: MakeSpill) -> None:
    forgotten: list[int] = []
    spill = make_spill(forget=lambda: forgotten.append(1))
    fill(spill, *many_transactions(1, first_lsn=0x9000))
    drain(spill)
    spill.begin_history()
    assert forgotten == [1]
    batches = many_transactions(2)
    fill(spill, *batches)
    assert as_json(drain(spill)) == as_json(batches)
