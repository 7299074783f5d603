"""Events that came too late, as results for the sinks that ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.core.events import CdcEvent
from bridge.dataflow.results import key_json, row_id_of, to_json
from bridge.processing.events import StreamEvent
from bridge.processing.identity import result_id
from bridge.processing.joins.inputs import Side
from bridge.processing.state.results import Result
from sinks.formats.native import encode_native


@dataclass(frozen=True, slots=True, kw_only=True)
class LateOutput:
    """Writes the late events of a processor.

    Attributes:
        processor: its name.
        aliases: names of the parts of the key.
        sinks: names of those that get them.
    """

    processor: str
    aliases: tuple[str, ...]
    sinks: tuple[str, ...]

    def write(self, late: StreamEvent, change: CdcEvent, side: Side | None = None) -> Result:
        """Return a late event as a result.

        Args:
            late: what was read of the change.
            change: as it came.
            side: of a join.
        """
        key: Any = late.key
        of_side = "" if side is None else f'"side":"{side}",'
        return Result(
            id=result_id(
                self.processor, "late", key, late.timestamp, late.sequence, late.weight, side
            ),
            type="late_event",
            processor=self.processor,
            timestamp=late.timestamp,
            row_id=row_id_of(key),
            members=(
                f'"processor":{to_json(self.processor)},"key":{key_json(self.aliases, key)},'
                f'"timestamp":{late.timestamp},{of_side}"weight":{late.weight},'
                f'"change":{encode_native(change)}'
            ),
            sinks=self.sinks,
        )


def make_late_output(
    processor: str, aliases: tuple[str, ...], sinks: tuple[str, ...]
) -> LateOutput | None:
    """Return what writes late events; None if no sink asks for them."""
    return LateOutput(processor=processor, aliases=aliases, sinks=sinks) if sinks else None
