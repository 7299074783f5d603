"""Which slots we created: the record that decides what may be dropped without being named.

The server does not say who created a slot. So the bridge remembers it, and treats every slot that
it does not remember as somebody else's.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from bridge.core.errors import EnvironmentProblem

_Slots: TypeAlias = dict[str, float | None]
"""Key of a slot to the time since which it has been seen inactive."""


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
        self._slots: _Slots = {}

    def __contains__(self, key: str) -> bool:
        return key in self._read()

    def recorded(self) -> tuple[str, ...]:
        return tuple(self._read())

    def add(self, key: str) -> None:
        with self._changing() as slots:
            slots[key] = None

    def remove(self, key: str) -> None:
        if key in self._read():
            with self._changing() as slots:
                slots.pop(key, None)

    def seen_inactive(self, key: str, at: float) -> float:
        since = self._read().get(key)
        if since is None:
            since = at
            with self._changing() as slots:
                slots[key] = at
        return since

    def seen_active(self, key: str) -> None:
        if self._read().get(key) is not None:
            with self._changing() as slots:
                slots[key] = None

    def _read(self) -> _Slots:
        return self._slots

    @contextmanager
    def _changing(self) -> Iterator[_Slots]:
        yield self._slots


class SlotFile(RememberedSlots):
    """A record in a JSON file, which several processes may use.

    Args:
        path: of the file; it and its directory are made when the first slot is recorded.

    Raises:
        EnvironmentProblem: in any method: the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _read(self) -> _Slots:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(key): None if at is None else float(at) for key, at in content.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise EnvironmentProblem(
                f"The record of our slots, {self._path}, cannot be read: {error}.",
                remedy="Remove the file; slots that were created before count as foreign then.",
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[_Slots]:
        lock_path = self._path.with_name(f"{self._path.name}.lock")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with lock_path.open("a", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                slots = self._read()
                yield slots
                # The new file takes the place of the old one as a whole, or not at all.
                new_path = self._path.with_name(f"{self._path.name}.new")
                with new_path.open("w", encoding="utf-8") as new:
                    json.dump(slots, new, indent=1)
                    new.flush()
                    os.fsync(new.fileno())
                new_path.replace(self._path)
        except OSError as error:
            raise EnvironmentProblem(
                f"The record of our slots, {self._path}, cannot be written: {error.strerror}.",
                remedy="Give the directory of `state.dir` room and the right to write.",
            ) from error
