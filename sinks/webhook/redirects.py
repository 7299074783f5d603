"""Where requests go: to the receiver and, if that is allowed, on to where it redirects them.

The receiver chooses the place that a redirect leads to, and is not trusted with that choice: the
address is judged like its own, and another origin learns nothing that is confidential.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin

from bridge.core.errors import EnvironmentProblem
from sinks.webhook.answers import Verdict, judge
from sinks.webhook.config import TlsConfig, WebhookConfig
from sinks.webhook.connection import Answer, Connection, Peer, Stale, make_tls
from sinks.webhook.request import Request, RequestMaker
from sinks.webhook.url import Endpoint

MAX_HOPS = 3
"""A gateway, a region and a slash at the end; what takes more is most often a circle."""

_KEEP_THE_REQUEST = frozenset({307, 308})
"""The others may turn it into a GET (RFC 9110 section 15.4)."""

_PERMANENT = 308


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request may go.

    Attributes:
        endpoint: the address.
        peer: what a connection is made to.
        start: request line and headers that are the same in every request.
        trusted: whether all places on the way here had the origin of the receiver; only then the
            account, the client certificate and the headers of the configuration are shown.
    """

    endpoint: Endpoint
    peer: Peer
    start: bytes
    trusted: bool


class Places:
    """The receiver of one sink, and the places that it redirects to. Safe from any thread.

    Args:
        config: of the sink.
        requests: of the sink.

    Raises:
        ConfigError: a file with certificates cannot be used.
    """

    def __init__(self, config: WebhookConfig, requests: RequestMaker) -> None:
        endpoint = Endpoint.parse(config.url.reveal())
        tls = make_tls(config.tls) if endpoint.secure else None
        peer = Peer(endpoint.host, endpoint.port, tls, endpoint.origin)
        self.receiver = Place(endpoint, peer, requests.start(endpoint, confidential=True), True)
        self.may_change = config.allow_redirects
        self._requests = requests
        self._tls_of_others: ssl.SSLContext | None = None
        if config.allow_redirects:
            self._tls_of_others = make_tls(TlsConfig(ca_file=config.tls.ca_file))

    def after(self, here: Place, answer: Answer) -> Place:
        """Return the place that an answer of ``here`` redirects to.

        Raises:
            EnvironmentProblem: it is none, or must not be followed. The message does not repeat
                the address, which may hold anything, also values of rows.
        """
        there = _location(here, answer)
        if here.endpoint.secure and not there.secure:
            raise _refusal(answer, "from https to http, where everything travels in the clear")
        if here.trusted and there.origin == self.receiver.endpoint.origin:
            start = self._requests.start(there, confidential=True)
            return Place(there, self.receiver.peer, start, True)
        name = f"{self.receiver.endpoint.origin} (redirected)"
        peer = Peer(there.host, there.port, self._tls_of_others if there.secure else None, name)
        return Place(there, peer, self._requests.start(there, confidential=False), False)


class Sender:
    """Sends the requests of one lane.

    A place that a permanent redirect led to is remembered for as long as it answers with 2xx.

    Args:
        places: of the sink.
        requests: of the sink.
        connection: of this lane alone.
    """

    def __init__(self, places: Places, requests: RequestMaker, connection: Connection) -> None:
        self._places = places
        self._requests = requests
        self._connection = connection
        self._first = places.receiver

    def send(self, request: Request) -> Answer:
        """Return the answer of the last place.

        Raises:
            Transient: a place did not answer; whether it has the request is unknown.
            EnvironmentProblem: a place is not allowed.
        """
        here, self._first = self._first, self._places.receiver
        answer = self._exchange(here, request)
        hops, permanent = 0, True
        while self._places.may_change and answer.status in _KEEP_THE_REQUEST:
            hops += 1
            if hops > MAX_HOPS:
                raise _refusal(answer, f"a further time after {MAX_HOPS} redirects")
            permanent = permanent and answer.status == _PERMANENT
            here = self._places.after(here, answer)
            answer = self._exchange(here, request)
        if permanent and judge(answer.status) is Verdict.DONE:
            self._first = here
        return answer

    def _exchange(self, place: Place, request: Request) -> Answer:
        try:
            return self._connection.exchange(place.peer, self._head(place, request), request.body)
        except Stale:  # nobody's fault; a new connection is made
            return self._connection.exchange(place.peer, self._head(place, request), request.body)

    def _head(self, place: Place, request: Request) -> bytes:
        return place.start + self._requests.rest_of_head(request, int(time.time()))


def _location(here: Place, answer: Answer) -> Endpoint:
    location = answer.headers.get("Location")
    if location is None:
        raise _refusal(answer, "without saying where to")
    try:
        base = here.endpoint.origin + here.endpoint.target
        return Endpoint.parse(urldefrag(urljoin(base, location)).url)
    except ValueError:
        raise _refusal(answer, "to what is not a web address") from None


def _refusal(answer: Answer, how: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{answer.origin} answered with status {answer.status}: it redirects {how}.",
        remedy="Set url to the place where the receiver is, or let it redirect in another way.",
    )
