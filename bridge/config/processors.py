"""The settings of stream processing: one ``ProcessorConfig`` for each entry of ``processors``.

As ``bridge.config.model``, this is a vocabulary without behaviour: texts stay as they are
written, and expressions are compiled elsewhere. ``docs/processors.md`` says what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from bridge.config.durations import DURATION, SHIFT
from bridge.config.inputs import COMMIT_TIME, EXPRESSION, FromConfig, InputConfig
from bridge.config.joins import JoinConfig
from bridge.config.patterns import PatternConfig

NAME: Final = {
    "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
    "form": "at most 63 letters, digits, dots, dashes and underscores",
}
"""Metadata of the name of a processor."""
_COUNT: Final = {"ge": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """Which events of a key belong together.

    Attributes:
        type: ``tumbling``, ``sliding``, ``session``, ``count``, or ``global``: one that never ends.
        size: of a tumbling or sliding window, such as ``1m``.
        slide: from one sliding window to the next, such as ``10s``; of count windows after how
            many events there is a result, a number, ``count`` by default.
        gap: the longest pause within a session.
        count: how many events a count window holds.
        offset: moves tumbling and sliding windows, such as days that begin at ``6h``.
        timezone: IANA name, for tumbling windows of whole days there.
    """

    type: Literal["tumbling", "sliding", "session", "count", "global"]
    size: str | None = field(default=None, metadata=DURATION)
    slide: str | int | None = None
    gap: str | None = field(default=None, metadata=DURATION)
    count: int | None = field(default=None, metadata=_COUNT)
    offset: str | None = field(default=None, metadata=SHIFT)
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorConfig:
    """From changes to answers: aggregates in windows, joins, or patterns.

    Attributes:
        name: of the processor, unique; results hold it.
        python: ``package.module:function`` of a function with ``@processor``, which has all other
            settings but the sinks.
        from_: which changes it looks at.
        where: an SQL condition over the row, such as ``new.status = 'paid'``; what is unknown does
            not hold.
        key: what belongs together: columns or SQL expressions, as a list or by the name that
            results give them; left out, everything belongs together.
        time: what the time of an event is: ``commit`` (time), ``processing`` (time), or an SQL
            expression such as ``new.created_at``.
        mode: ``append`` takes rows as events that stay true; ``changelog`` takes back what updates
            and deletes replace, and needs REPLICA IDENTITY FULL.
        window: which events belong together.
        aggregates: by the name in results, calls such as ``sum(new.amount)``.
        join: how the events of ``left`` and ``right`` find each other.
        left: the left input of a join.
        right: the right input of a join, or its table.
        select: by the name in results, SQL expressions over one side of a join, such as
            ``left.id``; the whole rows by default.
        pattern: a sequence of events of one key.
        out_of_orderness: how far the time of an event may be behind the newest one.
        allowed_lateness: how long a window is kept after its result, for events that are late.
        max_ahead: how far the time of an event may be ahead of its commit.
        emit: ``final`` gives the result of a window when it is complete, ``updates`` also after
            each event.
        version: another one begins anew, without the state so far.
        to: names of sinks that get the results; those get nothing else.
        late_to: names of sinks that get the events that come too late.
        timed_out_to: names of sinks that get the partial matches of a pattern whose time is over.
    """

    name: str = field(default="", metadata=NAME)
    python: str | None = field(
        default=None,
        metadata={
            "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
            "form": "of the form package.module:function",
        },
    )
    from_: FromConfig | None = field(default=None, metadata={"alias": "from"})
    where: str | None = field(default=None, metadata=EXPRESSION)
    key: tuple[str, ...] | Mapping[str, str] = ()
    time: str = field(default=COMMIT_TIME, metadata=EXPRESSION)
    mode: Literal["append", "changelog"] = "append"
    window: WindowConfig | None = None
    aggregates: Mapping[str, str] = field(default_factory=dict)
    join: JoinConfig | None = None
    left: InputConfig | None = None
    right: InputConfig | None = None
    select: Mapping[str, str] = field(default_factory=dict)
    pattern: PatternConfig | None = None
    out_of_orderness: str = field(default="1s", metadata=DURATION)
    allowed_lateness: str = field(default="0s", metadata=DURATION)
    max_ahead: str = field(default="1d", metadata=DURATION)
    emit: Literal["final", "updates"] = "final"
    version: int = field(default=1, metadata=_COUNT)
    to: tuple[str, ...] = ()
    late_to: tuple[str, ...] = ()
    timed_out_to: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of all sinks that get something of it, each once."""
        return tuple(dict.fromkeys((*self.to, *self.late_to, *self.timed_out_to)))

    @property
    def input(self) -> InputConfig:
        """The only input, of a processor that has ``from``."""
        assert self.from_ is not None
        return InputConfig(
            tables=self.from_.tables,
            operations=self.from_.operations,
            where=self.where,
            key=self.key,
            time=self.time,
        )
