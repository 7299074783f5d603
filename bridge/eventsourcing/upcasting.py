"""Events of older schemas, read as if they had been written today.

Stored events never change. When the data of an event type gets another form, its version goes up,
and an upcaster brings data of the version before to the new one. Upcasters are chained: with those
from 1 and from 2, an event of version 1 is read in version 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bridge.core.errors import BridgeError
from bridge.eventsourcing.errors import InvalidInput

Upcast: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Takes the data of one version, which it may change, and returns that of the next."""


class MissingUpcaster(BridgeError):
    """An event cannot be read in the newest version of its type.

    Attributes:
        event_type: of the event.
        version: from which no upcaster leads on.
    """

    def __init__(self, event_type: str, version: int, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.event_type = event_type
        self.version = version


class Upcasters:
    """The upcasters of a program, one for each event type and version.

    The newest version of an event type is the one that its last upcaster leads to. Types without
    upcasters are read as they are stored. Register all of them before the first event is read.
    """

    def __init__(self) -> None:
        self._steps: dict[str, dict[int, Upcast]] = {}

    def __call__(self, event_type: str, from_version: int) -> Callable[[Upcast], Upcast]:
        """Register the decorated function.

        Args:
            event_type: whose data it takes.
            from_version: of the data that it takes; it returns data of the version after that.

        Raises:
            InvalidInput: there is one for this version already, or it is below 1.
        """

        def register(upcast: Upcast) -> Upcast:
            self.add(event_type, from_version, upcast)
            return upcast

        return register

    def add(self, event_type: str, from_version: int, upcast: Upcast) -> None:
        """Register a function; see ``__call__``."""
        if from_version < 1:
            raise InvalidInput(
                f"An upcaster of {event_type} cannot begin at version {from_version}.",
                remedy="Versions count from 1.",
            )
        steps = self._steps.setdefault(event_type, {})
        if from_version in steps:
            raise InvalidInput(
                f"{event_type} has two upcasters from version {from_version}.",
                remedy="Keep one: each version leads to one next version.",
            )
        steps[from_version] = upcast

    def newest(self, event_type: str) -> int | None:
        """Return the newest version of an event type; None without upcasters."""
        steps = self._steps.get(event_type)
        return max(steps) + 1 if steps else None

    def upcast(
        self, event_type: str, version: int, data: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """Return version and data of an event as they are in the newest version of its type.

        Args:
            event_type: of the event.
            version: that it was stored in.
            data: the caller's own copy; it may be changed.

        Raises:
            MissingUpcaster: a link of the chain is missing, or the event is newer than the chain.
            InvalidInput: an upcaster returned something else than an object.
        """
        steps = self._steps.get(event_type)
        if not steps:
            return version, data
        newest = max(steps) + 1
        if version > newest:
            raise MissingUpcaster(
                event_type,
                version,
                f"An event of type {event_type} has version {version}, and the upcasters know "
                f"{newest} as the newest.",
                remedy="Update this program: a newer one has written the event.",
            )
        while version < newest:
            step = steps.get(version)
            if step is None:
                raise MissingUpcaster(
                    event_type,
                    version,
                    f"{event_type} has no upcaster from version {version} to {version + 1}, which "
                    f"reading it in version {newest} needs.",
                    remedy="Register one.",
                )
            changed = step(data)
            if not isinstance(changed, Mapping):
                raise InvalidInput(
                    f"The upcaster of {event_type} from version {version} returned a value of type "
                    f"{type(changed).__name__}.",
                    remedy="It has to return the data as a mapping.",
                )
            data = dict(changed)
            version += 1
        return version, data
