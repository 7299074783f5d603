"""Which slots we created: the record that decides what may be dropped without being named.

The server does not say who created a slot. So the bridge remembers it, and treats every slot that
it does not remember as somebody else's.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol

from bridge.core.errors import EnvironmentProblem


class OwnedSlots(Protocol):
    """A record of our slots. Keys are texts that name the cluster and the slot."""

    def __contains__(self, key: str, /) -> bool:
        """Whether the slot is recorded."""

    def recorded(self) -> tuple[str, ...]:
        """Return what is recorded."""

    def add(self, key: str) -> None:
        """Record a slot that was just created."""

    def remove(self, key: str) -> None:
        """Forget a slot that is gone; does nothing if it was not recorded."""

    def seen_inactive(self, key: str, at: float) -> float:
        """Return since when the slot has been seen inactive without a break: ``at`` the first time.

        Args:
            key: of a recorded slot.
            at: the server's time, in seconds since 1970.
        """

    def seen_active(self, key: str) -> None:
        """Take note that somebody uses the slot."""


class RememberedSlots:
    """A record that lasts as long as this object."""

    def __init__(self) -> None:
        self._inactive_since: dict[str, float | None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._inactive_since

    def recorded(self) -> tuple[str, ...]:
        return tuple(self._inactive_since)

    def add(self, key: str) -> None:
        self._write({**self._inactive_since, key: None})

    def remove(self, key: str) -> None:
        if key in self._inactive_since:
            self._write({name: at for name, at in self._inactive_since.items() if name != key})

    def seen_inactive(self, key: str, at: float) -> float:
        since = self._inactive_since.get(key)
        if since is not None:
            return since
        self._write({**self._inactive_since, key: at})
        return at

    def seen_active(self, key: str) -> None:
        if self._inactive_since.get(key) is not None:
            self._write({**self._inactive_since, key: None})

    def _write(self, slots: dict[str, float | None]) -> None:
        self._inactive_since = slots


class SlotFile(RememberedSlots):
    """A record in a JSON file, which outlives the process.

    Args:
        path: of the file; it and its directory are made when the first slot is recorded.

    Raises:
        EnvironmentProblem: the file cannot be read, or, in any method, not be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._inactive_since = {
                str(key): None if at is None else float(at) for key, at in content.items()
            }
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise EnvironmentProblem(
                f"The record of our slots, {path}, cannot be read: {error}.",
                remedy="Remove the file; slots that were created before count as foreign then.",
            ) from error

    def _write(self, slots: dict[str, float | None]) -> None:
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                json.dump(slots, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise EnvironmentProblem(
                f"The record of our slots, {self._path}, cannot be written: {error.strerror}.",
                remedy="Give the directory of `state.dir` room and the right to write.",
            ) from error
        super()._write(slots)
