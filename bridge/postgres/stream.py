"""The replication stream: START_REPLICATION in COPY BOTH mode, on libpq through psycopg's ``pq``.

psycopg has no replication API, so this module speaks the streaming replication protocol itself
(https://www.postgresql.org/docs/current/protocol-replication.html): it moves bytes, keeps the
server's patience and recognises how a stream can end. It decides nothing about positions.

One thread owns the stream. It must come back often: to read, because a walsender with a full
socket cannot be ended, and to send the status, because a silent client is disconnected.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct

import psycopg
from psycopg import pq
from psycopg.errors import Diagnostic, error_from_result

from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from bridge.core.lsn import Lsn
from bridge.postgres.libpq import input_reader
from bridge.postgres.server_errors import explain

_DATA, _KEEPALIVE = 0x77, 0x6B
_keepalive = Struct(">xQqB").unpack
_KEEPALIVE_BYTES = 18
_status = Struct(">cQQQqB").pack
_POSTGRES_EPOCH_S = 946_684_800

_BATCH_FRAMES = 2_000
_BATCH_BYTES = 1 << 20
"""Where a batch ends under load: large enough to make the work per batch small against the work
per event, small enough to keep several in memory."""

_BATCH_INTERVAL_S = 0.001
_SMALL_BATCH_FRAMES = 300
_NAP_S = 0.000_05
"""Short, because the server waits while the socket is full, and a Unix socket holds only about 300
small messages."""

_ANSWER_INTERVAL_S = 0.1
_STORM_KEEPALIVES = 5
_STORM_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Received:
    """What one ``read`` brought.

    Attributes:
        frames: XLogData frames, whole, in the order of the stream.
        size_bytes: their size.
        wal_end: of a keepalive that came *after* the frames; None without one.
    """

    frames: list[bytes]
    size_bytes: int = 0
    wal_end: Lsn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What the stream is asked for.

    Attributes:
        slot: name of the slot.
        publication: name of the publication.
        binary: whether columns come in binary format where their type has one (server >= 14).
        status_interval_s: between two status updates; also asks the server for a sign of life.
        silence_s: without any message for so long the connection counts as lost.
    """

    slot: str
    publication: str
    binary: bool = False
    status_interval_s: float = 10.0
    silence_s: float = 60.0


class ReplicationStream:
    """A running stream.

    Args:
        connection: made by ``Database.connect_replication``; the stream owns it from now on.
        options: what to ask for.
        monotonic: the clock for intervals, in seconds.
        now: the wall clock, in seconds since 1970.
        wakeup: a file descriptor that ends ``read`` early when it becomes readable.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        options: StreamOptions,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], float],
        wakeup: int | None = None,
    ) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._read_input = input_reader(connection.pgconn)
        self._options = options
        self._status_interval_s = options.status_interval_s
        self._monotonic = monotonic
        self._now = now
        self._broken: BridgeError | None = None
        self._reply_wanted = False
        self._asked: deque[float] = deque(maxlen=_STORM_KEEPALIVES)
        self._flush: Lsn = 0
        self._write: Lsn = 0
        self._status_at = monotonic()
        self._heard_at = self._status_at
        self._read_at = -_BATCH_INTERVAL_S
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pgconn.socket, selectors.EVENT_READ)
        if wakeup is not None:
            self._selector.register(wakeup, selectors.EVENT_READ)
        connection.add_notice_handler(self._on_notice)

    def start(self) -> None:
        """Start the stream where the slot stands: position ``0/0`` leaves that to the server.

        Raises:
            SlotBusy: another process streams from the slot.
            EnvironmentProblem: the slot or what it needs is not usable.
            Transient: the server is away.
        """
        options = ["proto_version '1'", f"publication_names {self._publication_names()}"]
        version = self._connection.info.server_version
        if version >= 140000:
            options.append("messages 'true'")
        if self._options.binary:
            if version < 140000:
                raise EnvironmentProblem(
                    "This server has no binary mode for logical replication.",
                    remedy="Set source.binary to false, or use PostgreSQL 14 or newer.",
                )
            options.append("binary 'true'")
        self._limit_status_interval()
        command = (
            f'START_REPLICATION SLOT "{self._options.slot}" LOGICAL 0/0 ({", ".join(options)})'
        )
        result = self._execute(command)
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise explain(error_from_result(result), doing=f"starting slot {self._options.slot!r}")

    def _limit_status_interval(self) -> None:
        """Stay well within the patience of the server (``wal_sender_timeout``)."""
        result = self._execute("SHOW wal_sender_timeout")
        timeout_s = _duration_s((result.get_value(0, 0) or b"0").decode())
        if timeout_s:
            self._status_interval_s = min(self._status_interval_s, timeout_s / 4)

    def _execute(self, command: str) -> pq.abc.PGresult:
        try:
            return self._pgconn.exec_(command.encode())
        except psycopg.Error as error:
            raise explain(error, doing="starting the stream") from error

    def read(self, timeout_s: float) -> Received:
        """Return what is at hand, waiting at most ``timeout_s`` seconds for the first of it.

        Raises:
            Transient: the stream is over or silent, or the server wants to shut down; connect
                again after a pause.
            EnvironmentProblem: the stream is over for a reason that needs an operator.
        """
        frames: list[bytes] = []
        received = self._take(frames)
        if received is None:
            self._wait(timeout_s)
            received = self._take(frames)
        if received is not None:
            received = self._gather(frames, received)
        if self._broken is not None:
            raise self._broken
        if received is None:
            self._check_silence()
            return Received(frames)
        self._heard_at = self._monotonic()
        if frames:
            self._asked.clear()
        return received

    def _gather(self, frames: list[bytes], received: Received) -> Received:
        """Let a batch grow that comes hard upon the one before.

        We read faster than a server sends small transactions. Without this, each batch would hold
        a few rows, and waking the sinks for it would cost more than the rows do. The first batch
        after a pause does not wait.
        """
        until = self._read_at + _BATCH_INTERVAL_S
        while (
            received.wal_end is None
            and len(frames) < _SMALL_BATCH_FRAMES
            and received.size_bytes < _BATCH_BYTES
            and self._monotonic() < until
        ):
            time.sleep(_NAP_S)
            received = self._take(frames, received.size_bytes) or received
        self._read_at = self._monotonic()
        return received

    def _take(self, frames: list[bytes], size: int = 0) -> Received | None:
        """Collect frames until nothing is at hand, the batch is full or a keepalive comes.

        Args:
            frames: the batch so far.
            size: its size in bytes.
        """
        get = self._pgconn.get_copy_data
        append = frames.append
        consumed = False
        try:
            while True:
                length, data = get(1)
                while length > 0:
                    frame = data.tobytes()
                    if frame[0] != _DATA:
                        return Received(frames, size, self._keepalive(frame))
                    append(frame)
                    size += length
                    consumed = False
                    length, data = get(1)
                if length < 0:
                    raise self._ending()
                if consumed or len(frames) >= _BATCH_FRAMES or size >= _BATCH_BYTES:
                    break
                self._read_input()
                consumed = True
        except psycopg.Error as error:
            raise explain(error, doing="reading the stream") from error
        return Received(frames, size) if frames else None

    def _wait(self, timeout_s: float) -> None:
        if timeout_s > 0:
            self._selector.select(timeout_s)

    def _keepalive(self, frame: bytes) -> Lsn:
        if frame[0] != _KEEPALIVE or len(frame) != _KEEPALIVE_BYTES:
            raise Transient("The server sent a message that is not part of the protocol.")
        wal_end, _, reply_requested = _keepalive(frame)
        if reply_requested:
            self._reply_wanted = True
            self._note_request()
        return int(wal_end)

    def _note_request(self) -> None:
        """Recognise a server that shuts down: it waits until all it sent is flushed, and asks
        again as soon as it is answered (27,000 times a second were seen). While sinks are behind
        that never ends, so the bridge steps aside and lets the server go down.
        """
        now = self._monotonic()
        asked = self._asked
        asked.append(now)
        if len(asked) == _STORM_KEEPALIVES and now - asked[0] < _STORM_WINDOW_S:
            raise Transient(
                "The server is shutting down and waits for us.",
                remedy="The bridge steps aside; what is not confirmed comes again.",
            )

    def send_status(self, *, write: Lsn, flush: Lsn) -> bool:
        """Tell the server how far we are, if there is news or it is time.

        Args:
            write: the highest position received.
            flush: what may be confirmed: see ``bridge.core.acks``.

        Returns:
            Whether a message was sent.
        """
        now = self._monotonic()
        due = now - self._status_at >= self._status_interval_s
        wanted = self._reply_wanted and now - self._status_at >= _ANSWER_INTERVAL_S
        if not (due or wanted or flush > self._flush):
            return False
        self._write, self._flush = max(write, self._write), max(flush, self._flush)
        sent_at = int((self._now() - _POSTGRES_EPOCH_S) * 1_000_000)
        message = _status(b"r", self._write, self._flush, self._flush, sent_at, due)
        try:
            self._pgconn.put_copy_data(message)
            self._flush_output()
        except psycopg.Error as error:
            raise explain(error, doing="sending the status") from error
        self._status_at = now
        self._reply_wanted = False
        return True

    def seconds_to_status(self) -> float:
        """How long ``read`` may wait without making a status update late."""
        interval = _ANSWER_INTERVAL_S if self._reply_wanted else self._status_interval_s
        return max(0.0, self._status_at + interval - self._monotonic())

    def finish(self, timeout_s: float) -> bool:
        """End the stream in order, and wait until the server has taken in all that it was sent.

        Closing a socket with unread data resets the connection, and the last status would be lost
        with it. What still comes is thrown away: it was not confirmed, so it comes again.

        Returns:
            Whether the server has ended the stream within ``timeout_s`` seconds.

        Raises:
            Transient: the connection is lost.
        """
        deadline = self._monotonic() + timeout_s
        try:
            self._pgconn.put_copy_end()
            self._flush_output()
            with selectors.DefaultSelector() as selector:
                selector.register(self._pgconn.socket, selectors.EVENT_READ)
                while (left := deadline - self._monotonic()) > 0:
                    length, _ = self._pgconn.get_copy_data(1)
                    if length < 0:
                        return True
                    if length == 0:
                        selector.select(left)
                        self._pgconn.consume_input()
        except psycopg.Error as error:
            raise explain(error, doing="ending the stream") from error
        return False

    def close(self) -> None:
        """End the connection; the slot becomes free at once. Does nothing the second time."""
        self._selector.close()
        self._pgconn.finish()

    def _flush_output(self) -> None:
        # The connection is non-blocking: what the socket does not take now stays in libpq. Input
        # must be taken meanwhile, or both sides could wait for each other.
        while self._pgconn.flush() != 0:
            with selectors.DefaultSelector() as selector:
                events = selectors.EVENT_READ | selectors.EVENT_WRITE
                selector.register(self._pgconn.socket, events)
                if not selector.select(self._options.silence_s):
                    raise Transient("The connection to the server takes no more data.")
            self._pgconn.consume_input()

    def _check_silence(self) -> None:
        if self._monotonic() - self._heard_at > self._options.silence_s:
            raise Transient(f"The server has been silent for {self._options.silence_s:g} seconds.")

    def _ending(self) -> BridgeError:
        """Say why the server ended the stream."""
        while (result := self._pgconn.get_result()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                return explain(error_from_result(result), doing="streaming")
        return Transient("The server ended the stream.")

    def _on_notice(self, diagnostic: Diagnostic) -> None:
        # PostgreSQL 18 turned the error for a missing publication into a warning and goes on
        # without the changes. The text may be translated, the code is not.
        if diagnostic.sqlstate == "55000":
            self._broken = EnvironmentProblem(
                f"The server cannot load publication {self._options.publication!r} "
                "and leaves out its changes.",
                remedy="Create the publication; changes made without it are only in the tables, "
                "so take a new snapshot: drop the slot, empty state.dir, start again.",
            )

    def _publication_names(self) -> str:
        quoted = '"' + self._options.publication.replace('"', '""') + '"'
        return "'" + quoted.replace("'", "''") + "'"


_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def _duration_s(text: str) -> float:
    """Read a duration as the server shows it: ``1min``, ``2s``, ``0``."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return float(digits) * _UNITS.get(text[len(digits) :], 0.001)
