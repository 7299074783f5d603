"""What a format is, and the settings that choose one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.core.relation import Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatConfig:
    """Settings of every sink that writes events.

    Attributes:
        format: how an event looks: ``native``, ``debezium``, ``cloudevents`` or ``flat``.
        server_name: the name of this database for its consumers: ``source.name`` in the format
            ``debezium``, the begin of ``source`` in ``cloudevents``.
    """

    format: Literal["native", "debezium", "cloudevents", "flat"] = "native"
    server_name: str = field(default="pgbridge", metadata={"min_length": 1, "max_length": 200})

    def check_results(self) -> None:
        """See that results of processors can be written with these settings.

        Raises:
            ConfigError: they cannot.
        """
        if self.format != "native":
            raise ConfigError(
                f"Results of processors cannot be written in the format {self.format!r}.",
                remedy="Leave out format, or give the processor a sink of its own.",
            )


class Format(Protocol):
    """A form of events as JSON, and of their keys.

    Attributes:
        name: of the format and its options: events are encoded once for each name.
        content_type: media type of one event.
        line_starts: what an encoded event begins with, for each kind of event. What tells its
            position, ``event_id`` or ``delivery_id``, follows before any value does.
    """

    @property
    def name(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    @property
    def line_starts(self) -> tuple[str, ...]: ...

    def encode(self, event: CdcEvent, /) -> str:
        """Return the event as one line of JSON, without the line end."""

    def encoder(self, relation: Relation, /) -> Callable[[CdcEvent], str]:
        """Return what ``encode`` is for the events of one relation."""

    def key(self, event: CdcEvent, columns: tuple[str, ...] | None = None, /) -> str | None:
        """Return the key of the event's row in the form of the format.

        The key of a logical message is its prefix.

        Args:
            event: whose key.
            columns: what makes up the key instead of the table's own.

        Returns:
            None where the table has no key, lacks one of ``columns``, or does not log it.
        """

    def text_key(self, text: str, /) -> str:
        """Return a key that is one text, such as the name of a table, in the form of the format."""
