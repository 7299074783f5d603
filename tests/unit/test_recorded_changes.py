"""The recording of changes that the integration tests stand on."""

from __future__ import annotations

from tests.fixtures.frames import FrameWriter, RelationFrame
from tests.fixtures.recorded_changes import END_MARK, before_the_mark

TEXT = 25
MARKS = RelationFrame(1, "recording_end", (("mark", TEXT, False),))


def test_a_transaction_after_the_mark_is_not_part_of_the_recording() -> None:
    writer = FrameWriter()
    recorded = [writer.begin(0x10), writer.commit(0x10), writer.begin(0x20), writer.commit(0x20)]
    mark = [
        writer.begin(0x30),
        writer.relation(MARKS),
        writer.insert(MARKS, [END_MARK]),
        writer.commit(0x30),
    ]
    empty = [writer.begin(0x40), writer.commit(0x40)]
    assert before_the_mark([*recorded, *mark]) == recorded
    assert before_the_mark([*recorded, *mark, *empty]) == recorded
