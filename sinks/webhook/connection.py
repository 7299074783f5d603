"""One connection at a time, kept open from request to request.

urllib3 opens it and takes care of TLS, as it does below ``requests``. The request is written as
prepared bytes and the answer read by the parser of the standard library, because the classes in
between cost more than everything else that is done for an event (docs/adr/0010).
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead
from threading import Lock
from typing import TYPE_CHECKING, cast

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import exceptions as urllib3_errors
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import is_connection_dropped

from bridge.core.errors import ConfigError, Transient
from sinks.webhook.addresses import addresses_of
from sinks.webhook.config import TlsConfig, WebhookConfig

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_ANSWER_BYTES = 1_000_000
"""What is read of an answer; a connection with a longer one is closed."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What a connection is made to.

    Attributes:
        host: name or IP address.
        port: of TCP.
        tls: None for plain ``http``.
        name: in messages.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said. Headers and body may hold anything, also values of rows.

    Attributes:
        origin: who said it, for messages.
        status: number from 100 to 999.
        headers: of the answer.
        body: of the answer, or its beginning.
    """

    origin: str
    status: int
    headers: HTTPMessage
    body: bytes


class Stale(Transient):
    """A connection that had been in use was closed before it said anything: usually the receiver
    had closed it for being idle, as the request came."""


class Connection:
    """Connects when it has something to send, and anew when that is for another peer.

    One thread sends; any thread may abort.

    Args:
        config: of the sink.
    """

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._lock = Lock()
        self._aborted = False
        self._open: HTTPConnection | None = None
        self._peer: Peer | None = None
        self._used = False

    def exchange(self, peer: Peer, head: bytes, body: bytes) -> Answer:
        """Send a request and return the answer. After an error the connection is closed.

        Raises:
            Transient: the receiver did not answer; whether it has the request is unknown.
            EnvironmentProblem: it has an address that is not allowed.
        """
        try:
            return self._exchange(peer, head, body)
        except TimeoutError:
            self.close()
            raise Transient(f"{peer.name} took too long to answer.") from None
        except (OSError, HTTPException, urllib3_errors.HTTPError) as error:
            stale = self._used and isinstance(error, ConnectionError)
            self.close()
            kind = Stale if stale else Transient
            raise kind(f"{peer.name}: {_words(error)}.") from None
        except BaseException:
            self.close()
            raise

    def abort(self) -> None:
        """End what is under way, and allow nothing more. Returns at once."""
        with self._lock:
            self._aborted = True
            if self._open is not None and self._open.sock is not None:
                _shut_down(self._open.sock)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        with self._lock:
            if self._open is not None:
                self._open.close()
            self._open, self._used = None, False

    def _exchange(self, peer: Peer, head: bytes, body: bytes) -> Answer:
        deadline = time.monotonic() + self._config.timeout_seconds
        connection = self._open
        if connection is None or self._peer != peer or is_connection_dropped(connection):
            connection = self._connect(peer)
        sock = cast(socket.socket, connection.sock)
        sock.settimeout(_left(deadline))
        sent = False
        # Who refuses a large body may answer and close before all of it is there.
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(head + body)
            sent = True
        patience = self._config.read_timeout_seconds or self._config.timeout_seconds
        source = _TimedReader(sock, deadline, patience)
        response = HTTPResponse(cast(socket.socket, source), method=self._config.method)
        response.begin()
        content = response.read(MAX_ANSWER_BYTES)
        self._used = True
        if response.will_close or not response.isclosed() or not sent:
            self.close()
        return Answer(peer.name, response.status, response.headers, content)

    def _connect(self, peer: Peer) -> HTTPConnection:
        self.close()
        allow_private = self._config.allow_private_addresses
        addresses = addresses_of(peer.host, peer.port, name=peer.name, allow_private=allow_private)
        for address in addresses:
            connection = self._to(peer, address)
            try:
                connection.connect()
            except (OSError, urllib3_errors.HTTPError):
                connection.close()
                if address == addresses[-1]:
                    raise
            else:
                break
        with self._lock:
            if self._aborted:
                connection.close()
                raise Transient("The sink is being closed.")
            self._open, self._peer = connection, peer
        return connection

    def _to(self, peer: Peer, address: str) -> HTTPConnection:
        """Return a connection to this very address; its certificate has to be the host's."""
        timeout = min(self._config.connect_timeout_seconds, self._config.timeout_seconds)
        if peer.tls is None:
            return HTTPConnection(address, peer.port, timeout=timeout)
        return HTTPSConnection(
            address,
            peer.port,
            timeout=timeout,
            ssl_context=peer.tls,
            server_hostname=peer.host,
        )


class _TimedReader(io.RawIOBase):
    """Reads from a socket until a deadline, however little comes at a time.

    A time limit of the socket alone starts again with each byte.
    """

    def __init__(self, sock: socket.socket, deadline: float, patience_s: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._patience_s = patience_s

    def makefile(self, mode: str) -> io.BufferedReader:
        """What ``HTTPResponse`` asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(min(_left(self._deadline), self._patience_s))
        return self._sock.recv_into(buffer)


def make_tls(config: TlsConfig) -> ssl.SSLContext:
    """Return what TLS connections are made with.

    Raises:
        ConfigError: a file cannot be read, or holds something else.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(config.ca_file or DEFAULT_CA_BUNDLE_PATH)
    except OSError as error:
        raise ConfigError(
            f"The ca_file {config.ca_file} cannot be used: {_words(error)}.",
            remedy="It has to hold certificates in PEM.",
        ) from None
    if config.cert_file is not None:
        # Always a password, or the library would ask for one on the terminal.
        password = config.key_password.reveal() if config.key_password else ""
        try:
            context.load_cert_chain(config.cert_file, config.key_file, password)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The cert_file {config.cert_file} cannot be used: {_words(error)}.",
                remedy="It and key_file have to be PEM, belong together, and fit key_password.",
            ) from None
    return context


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):
        # Not that of SSLSocket, which would go on in plain text.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _words(error: BaseException) -> str:
    """Say what went wrong in words that come from us or the system, never from the receiver."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {(error.reason or 'unknown').replace('_', ' ').lower()}"
        case urllib3_errors.ConnectTimeoutError():
            return "the connection was not made in time"
        case urllib3_errors.NewConnectionError():
            cause = error.__cause__
            why = getattr(cause, "strerror", None) or "no answer"
            return f"the connection was not made: {why}"
        case ConnectionError():
            return "the connection was closed before the answer"
        case IncompleteRead():
            return "the answer ended in the middle"
        case HTTPException():
            return "the answer is not HTTP"
        case OSError():
            return error.strerror or "the connection failed"
        case _:
            return "the connection failed"
