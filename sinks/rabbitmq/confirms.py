"""What was published on one channel and is not settled yet."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple


class Published(NamedTuple):
    """A message on its way.

    Attributes:
        number: of the message among all of the session.
        message_id: the property, by which a returned message is known again.
        size: in bytes.
    """

    number: int
    message_id: str
    size: int


class Confirms:
    """The messages of a channel in the order of their delivery tags, which count from 1.

    The first one that the broker refuses is a barrier: what lies behind it counts as open, however
    it is confirmed, so that nothing passes it. A broker says that a message is unroutable
    (``Basic.Return``) before it confirms it all the same.

    Attributes:
        size: of the open messages, in bytes.
    """

    def __init__(self) -> None:
        self._open: deque[Published] = deque()
        self._first_tag = 1
        self._early: set[int] = set()
        self._barrier: int | None = None
        self.size = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def first(self) -> int | None:
        """Number of the first open message; None if everything is settled."""
        return self._open[0].number if self._open else None

    @property
    def refused(self) -> bool:
        """Whether a message was refused."""
        return self._barrier is not None

    @property
    def stuck(self) -> bool:
        """Whether the first open message is one that was refused."""
        return self._barrier == self._first_tag and bool(self._open)

    def published(self, message: Published) -> None:
        """Note a message; it has the next delivery tag."""
        self._open.append(message)
        self.size += message.size

    def confirmed(self, tag: int, multiple: bool) -> None:
        """The broker holds the message, or all messages up to it."""
        if self._barrier is not None and tag >= self._barrier:
            if not multiple:
                return
            tag = self._barrier - 1
        if multiple:
            while self._first_tag <= tag and self._open:
                self._settle_first()
        elif tag == self._first_tag:
            self._settle_first()
        elif tag > self._first_tag:
            self._early.add(tag)
        while self._first_tag in self._early and self._open:
            self._settle_first()

    def refuse(self, tag: int, multiple: bool) -> None:
        """The broker does not take the message, or the open messages up to it."""
        self._stop_at(self._first_tag if multiple else tag)

    def returned(self, message_id: str | None) -> None:
        """The message reached no queue; its confirmation is still to come, and means nothing."""
        searched = len(self._open) if self._barrier is None else self._barrier - self._first_tag
        for index, message in enumerate(islice(self._open, max(0, searched))):
            if message.message_id == message_id:
                self._stop_at(self._first_tag + index)
                return
        if self._barrier is None:  # not one of ours: nothing that is open can be relied on
            self._stop_at(self._first_tag)

    def _stop_at(self, tag: int) -> None:
        self._barrier = tag if self._barrier is None else min(self._barrier, tag)

    def _settle_first(self) -> None:
        self._early.discard(self._first_tag)
        self.size -= self._open.popleft().size
        self._first_tag += 1
