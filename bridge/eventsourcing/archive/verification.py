"""Whether a segment is still what was written: every byte is read, every checksum is checked."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.archive.encoding import unpack_block
from bridge.eventsourcing.archive.files import SegmentFiles
from bridge.eventsourcing.archive.frames import (
    FOOTER_BYTES,
    MARK,
    Extent,
    Footer,
    Frame,
    unpack_footer,
    unpack_frame,
)
from bridge.eventsourcing.archive.index import make_index, unpack_index
from bridge.eventsourcing.archive.presence import presence_of, unpack_presence
from bridge.eventsourcing.records import Recorded, Segment


def faults_of(segment: Segment, files: SegmentFiles) -> list[str]:
    """Return what is wrong with a segment, in sentences without values; none if all is well.

    Raises:
        EnvironmentProblem: the file cannot be read.
    """
    data = files.read(segment.name, 0, segment.size + 1)
    faults = []
    if len(data) < segment.size:
        faults.append(f"It has {len(data)} bytes instead of {segment.size}.")
    elif len(data) > segment.size:
        faults.append(f"It has more than its {segment.size} bytes.")
    if sha256(data).hexdigest() != segment.sha256:
        faults.append(f"Its SHA-256 is not {segment.sha256}.")
    try:
        events = events_in(segment.name, data)
    except EnvironmentProblem as damage:
        return [*faults, damage.message]
    found = [event.global_sequence for event in events]
    if (found[0], found[-1], len(found)) != (segment.first, segment.last, segment.events):
        faults.append("It holds other events than it was registered with.")
    return faults


def events_in(name: str, data: bytes) -> list[Recorded]:
    """Return the events of a segment file.

    Raises:
        EnvironmentProblem: a byte of it is not what was written.
    """
    if not data.startswith(MARK):
        raise _wrong(name, "does not begin like one")
    offset, footer_at = len(MARK), max(len(data) - FOOTER_BYTES, len(MARK))
    view = memoryview(data)
    footer = unpack_footer(data[footer_at:], name, footer_at)
    frames: list[tuple[Extent, Frame]] = []
    while offset < footer_at:
        frame = unpack_frame(view[offset:footer_at], name, offset)
        frames.append((Extent(offset, frame.size), frame))
        offset += frame.size
    try:
        *blocks, (presence_at, presence), (index_at, index) = frames
        contents = [unpack_block(frame.content) for _, frame in blocks]
        events = [event for content in contents for event in content]
        agree = (
            footer == Footer(presence_at, index_at, len(events))
            and unpack_presence(presence.content) == presence_of(events)
            and unpack_index(index.content) == make_index([at for at, _ in blocks], contents)
            and all(one.global_sequence < two.global_sequence for one, two in pairwise(events))
        )
    except (ValueError, TypeError, KeyError, IndexError):
        raise _wrong(name, "holds something else than events") from None
    if not (events and agree):
        raise _wrong(name, "has an index that does not fit its events")
    return events


def _wrong(name: str, problem: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"The archived segment {name} {problem}.", remedy="Restore the file from a backup."
    )
