"""From an event to its settlement: sends, tries again, and tells apart what the answers mean."""

from __future__ import annotations

import json
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, Protocol

import structlog

from bridge.core.errors import DeliveryGivenUp, EnvironmentProblem, Transient
from bridge.core.retry import Backoff
from sinks.base import Rejection
from sinks.webhook.answers import Verdict, judge, may_be_one_of_many, retry_after
from sinks.webhook.breaker import CircuitBreaker
from sinks.webhook.config import WebhookConfig
from sinks.webhook.connection import Answer, Stale
from sinks.webhook.request import Item, Request, RequestMaker

log = structlog.get_logger()


class Closing(Exception):
    """The sink is being closed; what is under way stays unsettled."""


class Exchange(Protocol):
    """A connection, as far as a delivery needs it."""

    def exchange(self, head: bytes, body: bytes) -> Answer:
        """See ``sinks.webhook.connection.Connection``."""


class Delivery:
    """Delivers the events of one lane, one request after the other.

    Args:
        config: of the sink.
        origin: scheme, host and port of the receiver, for messages.
        requests: makes the requests.
        connection: of this lane alone.
        breaker: of the receiver, shared by all lanes.
        closing: set when the sink is being closed.
        names: fields of every log entry.
    """

    def __init__(
        self,
        config: WebhookConfig,
        *,
        origin: str,
        requests: RequestMaker,
        connection: Exchange,
        breaker: CircuitBreaker,
        closing: Event,
        names: dict[str, object],
    ) -> None:
        self._config = config
        self._origin = origin
        self._requests = requests
        self._connection = connection
        self._breaker = breaker
        self._closing = closing
        self._item_results = config.batch is not None and config.batch.item_results
        self._backoff = Backoff(config.retry, chance=random.random, monotonic=time.monotonic)
        self._attempts = 0
        self._log = log.bind(**names)

    def deliver(
        self, items: Sequence[Item], settle: Callable[[int, Sequence[Rejection]], None]
    ) -> None:
        """Return when every event is settled.

        A batch that is refused for its content is halved until the refused events stand alone.

        Args:
            items: of one request.
            settle: called for the events in their order: how many more are settled, and which
                of these are refused.

        Raises:
            Closing: before the end, because the sink is being closed.
            DeliveryGivenUp: the receiver was away for longer than ``retry`` allows.
            EnvironmentProblem: nothing can be delivered until an operator has changed something.
        """
        parts = deque([items])
        while parts:
            part = parts.popleft()
            answer = self._answer_to(self._requests.make(part))
            if judge(answer.status) is Verdict.DONE:
                settled = self._settle_accepted(part, answer, settle)
                if settled < len(part):
                    parts.appendleft(part[settled:])
            elif len(part) > 1 and may_be_one_of_many(answer.status):
                self._got_on()
                middle = len(part) // 2
                parts.extendleft((part[middle:], part[:middle]))
            else:
                self._got_on()
                settle(len(part), [_rejection(item, answer.status) for item in part])

    def _answer_to(self, request: Request) -> Answer:
        """Send until the receiver has accepted or refused."""
        while True:
            self._wait_for_the_breaker()
            pause: float | None = None
            try:
                answer = self._send(request)
            except Transient as error:
                trouble = error
            else:
                verdict = judge(answer.status)
                if verdict is Verdict.STOP:
                    raise _needs_an_operator(self._origin, answer.status)
                if verdict is not Verdict.RETRY:
                    self._breaker.succeeded()
                    return answer
                pause = self._asked_for(answer)
                trouble = Transient(f"{self._origin} answered with status {answer.status}.")
            self._pause(trouble, pause)

    def _send(self, request: Request) -> Answer:
        try:
            return self._connection.exchange(self._head(request), request.body)
        except Stale:  # nobody's fault; a new connection is made
            return self._connection.exchange(self._head(request), request.body)

    def _head(self, request: Request) -> bytes:
        return self._requests.head(request, int(time.time()))

    def _wait_for_the_breaker(self) -> None:
        while not self._closing.is_set():
            wait = self._breaker.wait_s(time.monotonic())
            if not wait:
                return
            self._closing.wait(wait)
        raise Closing

    def _asked_for(self, answer: Answer) -> float | None:
        headers = answer.headers
        asked = retry_after(headers.get("Retry-After"), headers.get("Date"), time.time())
        return None if asked is None else min(asked, self._config.max_retry_after_seconds)

    def _pause(self, trouble: Transient, asked_s: float | None) -> None:
        """Wait before the next attempt; ``asked_s`` seconds for all lanes, if it is not None."""
        if self._closing.is_set():
            raise Closing
        now = time.monotonic()
        if asked_s is None:
            self._breaker.failed(now)
        else:
            self._breaker.hold(now + asked_s)
        self._attempts += 1
        delay = self._backoff.next_delay()
        if delay is None:
            raise DeliveryGivenUp(
                f"The receiver did not recover within what retry allows: {trouble.message}",
                remedy=trouble.remedy,
            )
        delay = max(delay, asked_s or 0.0)
        self._log.warning(
            "sink_retry", error=trouble.message, attempt=self._attempts, delay_s=round(delay, 3)
        )
        self._closing.wait(delay)

    def _settle_accepted(
        self,
        part: Sequence[Item],
        answer: Answer,
        settle: Callable[[int, Sequence[Rejection]], None],
    ) -> int:
        """Settle what an answer of 2xx settles; return how many events that is."""
        statuses = _item_statuses(answer.body, len(part)) if self._item_results else None
        if statuses is None and not self._item_results:
            self._got_on()
            settle(len(part), ())
            return len(part)
        if statuses is None:
            self._pause(
                Transient(f"{self._origin} answered without a result for each event."), None
            )
            return 0
        rejections = []
        for settled, (item, status) in enumerate(zip(part, statuses, strict=True)):
            match judge(status):
                case Verdict.DONE:
                    pass
                case Verdict.REFUSED:
                    rejections.append(_rejection(item, status))
                case Verdict.STOP:
                    raise _needs_an_operator(self._origin, status)
                case Verdict.RETRY:
                    # This one and all behind it come again, so that their order stays.
                    if settled:
                        self._got_on()
                        settle(settled, rejections)
                    self._pause(
                        Transient(f"{self._origin} answered with status {status} for an event."),
                        None,
                    )
                    return settled
        self._got_on()
        settle(len(part), rejections)
        return len(part)

    def _got_on(self) -> None:
        """The next failure is the first one again."""
        if self._attempts:
            self._attempts = 0
            self._backoff.reset()


def _rejection(item: Item, status: int) -> Rejection:
    return Rejection(item[1].position, f"The receiver refused it with status {status}.")


def _needs_an_operator(origin: str, status: int) -> EnvironmentProblem:
    if status < 400:
        return EnvironmentProblem(
            f"{origin} answered with status {status}; redirects are not followed.",
            remedy="Set url to the place where the receiver is.",
        )
    return EnvironmentProblem(
        f"{origin} answered with status {status}: it does not accept the account.",
        remedy="Check bearer_token, username and password, tls.cert_file or signing_secret.",
    )


def _item_statuses(body: bytes, count: int) -> list[int] | None:
    """Return the status of each event, out of ``{"results": [{"status": 200}, ...]}``."""
    try:
        results: Any = json.loads(body)["results"]
        statuses = [result["status"] for result in results]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    known = all(type(status) is int and 200 <= status < 600 for status in statuses)
    return statuses if known and len(statuses) == count else None
