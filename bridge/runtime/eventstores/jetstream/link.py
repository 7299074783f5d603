"""The connection to a cluster: an event loop in a thread of its own behind functions that block.

``nats-py`` is asyncio. It is used for the connection, requests, messages and their headers alone;
what JetStream is asked is JSON on subjects that its documentation fixes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.core.errors import ConfigError, EnvironmentProblem, Transient
from bridge.runtime.eventstores.jetstream.errors import NOT_ENABLED, Refused

if TYPE_CHECKING:
    from nats.aio.client import Client

T = TypeVar("T")

_CONNECT_TIMEOUT_S: Final = 5.0
_ANSWER_TIMEOUT_S: Final = 2.0
_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.5
UNAVAILABLE: Final = 503


class Link:
    """A connection that comes back by itself.

    Args:
        servers: URLs of servers of one cluster.
        patience_s: how long a request is repeated while the cluster does not answer, as it does
            not while it elects a leader.

    Raises:
        ConfigError: the library is not installed, or a server is no URL.
        EnvironmentProblem: the servers do not let us in.
        Transient: no server answers.
    """

    def __init__(self, servers: Sequence[str], *, patience_s: float) -> None:
        self._servers = list(servers)
        self.patience_s = patience_s
        self._guard = Lock()
        self._closed = False
        self._last_error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="jetstream", daemon=True)
        self._thread.start()
        try:
            self.client: Client = self.run(self._connect())
        except BaseException:
            self._stop()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the thread of the loop do something, and return what comes of it.

        Raises:
            Transient: the link was closed.
        """
        with self._guard:
            if self._closed:
                work.close()
                raise _closed()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError as error:
            raise _closed() from error
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the connection and the thread. May be called again."""
        if not self._closed:
            self.run(self._disconnect())
            self._stop()

    async def request(
        self, verb: str, body: Mapping[str, Any] | None = None, *, doing: str
    ) -> dict[str, Any]:
        """Ask the API of JetStream, again and again while the cluster does not answer.

        Args:
            verb: the subject behind ``$JS.API.``; what it asks for can be done twice.
            body: of the request.
            doing: what it is, for an error: "reading the stream".

        Raises:
            Refused: JetStream does not do it.
            Transient: nobody answered for ``patience_s``.
        """
        payload = b"" if body is None else json.dumps(body).encode()
        patience = Patience(self.patience_s)
        while True:
            answer = await self._ask(f"$JS.API.{verb}", payload)
            if answer is not None:
                error = answer.get("error")
                if error is None:
                    return answer
                code = error.get("err_code", 0)
                if error.get("code") != UNAVAILABLE or code in NOT_ENABLED:
                    raise Refused(doing, code, str(error.get("description")))
            await patience.pause(doing)

    async def _ask(self, subject: str, payload: bytes) -> dict[str, Any] | None:
        """Return the answer; None if there is nobody to answer now."""
        from nats.errors import Error

        try:
            reply = await self.client.request(subject, payload, timeout=_ANSWER_TIMEOUT_S)
            answer: dict[str, Any] = json.loads(reply.data)
            return answer
        except (Error, OSError, ValueError):
            return None

    async def _connect(self) -> Client:
        try:
            import nats
        except ModuleNotFoundError as error:
            raise ConfigError(
                "The store of type jetstream needs the library nats-py, which is not installed.",
                remedy="Install pgbridge[jetstream].",
            ) from error
        try:
            return await asyncio.wait_for(
                nats.connect(
                    self._servers,
                    name="pgbridge",
                    error_cb=self._note,
                    connect_timeout=2,
                    reconnect_time_wait=0.1,
                    max_reconnect_attempts=-1,
                    ping_interval=10,
                ),
                min(_CONNECT_TIMEOUT_S, self.patience_s),
            )
        except nats.errors.Error as error:
            raise ConfigError(
                "One of the servers of the event store is no URL of NATS.",
                remedy="Give URLs such as nats://nats-1:4222.",
            ) from error
        except OSError as error:
            raise self._no_connection(error) from error

    def _no_connection(self, error: BaseException) -> EnvironmentProblem | Transient:
        # Its words are the server's; an error of a URL could show a password.
        cause = self._last_error or error
        if "authorization" in str(cause).lower():
            return EnvironmentProblem(
                "The NATS servers of the event store refuse the login.",
                remedy="Check user and password in the URLs of servers.",
            )
        return Transient(
            f"No NATS server of the event store answers ({type(cause).__name__}).",
            remedy="Check the URLs of servers, and that most of the cluster is up.",
        )

    async def _note(self, error: Exception) -> None:
        self._last_error = error

    async def _disconnect(self) -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # what other threads wait for
        await self.client.close()

    def _stop(self) -> None:
        with self._guard:
            self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _closed() -> Transient:
    return Transient("The connection to JetStream was closed.")


class Patience:
    """How long something is tried again.

    Args:
        limit_s: of all attempts together, in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self._end = time.monotonic() + limit_s
        self._limit_s = limit_s
        self._pause_s = _PAUSE_S

    def check(self, doing: str) -> None:
        """Go on, unless it took too long already.

        Raises:
            Transient: it did.
        """
        if time.monotonic() + self._pause_s > self._end:
            raise Transient(
                f"JetStream did not do its work within {self._limit_s:g} s: {doing}.",
                remedy="Check that JetStream is enabled, and that a majority of its servers is up.",
            )

    async def pause(self, doing: str) -> None:
        """Wait a moment, longer each time.

        Raises:
            Transient: it took too long already.
        """
        self.check(doing)
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
