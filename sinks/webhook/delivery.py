"""From an event to its settlement: sends, tries again, and tells apart what the answers mean."""

from __future__ import annotations

import json
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import structlog

from bridge.core.errors import DeliveryGivenUp, EnvironmentProblem, Transient
from bridge.core.retry import Backoff
from sinks.base import Rejection
from sinks.webhook.answers import Verdict, judge, may_be_one_of_many, retry_after
from sinks.webhook.breaker import CircuitBreaker
from sinks.webhook.config import WebhookConfig
from sinks.webhook.connection import Answer
from sinks.webhook.redirects import Sender
from sinks.webhook.request import Item, Request, RequestMaker

log = structlog.get_logger()


class Closing(Exception):
    """The sink is being closed; what is under way stays unsettled."""


class _GivenUp(Exception):
    """The receiver fails for these events; the others shall go on without them.

    Args:
        reason: why, in a sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Delivery:
    """Delivers the events of one lane, one request after the other.

    Args:
        config: of the sink.
        requests: makes the requests.
        sender: of this lane alone.
        breaker: of the receiver, shared by all lanes.
        closing: set when the sink is being closed.
        names: fields of every log entry.
    """

    def __init__(
        self,
        config: WebhookConfig,
        *,
        requests: RequestMaker,
        sender: Sender,
        breaker: CircuitBreaker,
        closing: Event,
        names: dict[str, object],
    ) -> None:
        self._config = config
        self._requests = requests
        self._sender = sender
        self._breaker = breaker
        self._closing = closing
        self._item_results = config.batch is not None and config.batch.item_results
        self._backoff = Backoff(config.retry, chance=random.random, monotonic=time.monotonic)
        self._attempts = 0
        self._blamed = False
        self._log = log.bind(**names)

    def deliver(
        self, items: Sequence[Item], settle: Callable[[int, Sequence[Rejection]], None]
    ) -> None:
        """Return when every event is settled.

        A batch that is refused for its content, or given up, is halved until the events that the
        receiver does not take stand alone.

        Args:
            items: of one request.
            settle: called for the events in their order: how many more are settled, and which
                of these are refused.

        Raises:
            Closing: before the end, because the sink is being closed.
            DeliveryGivenUp: the receiver was away for longer than ``retry`` allows.
            EnvironmentProblem: nothing can be delivered until an operator has changed something.
        """
        parts = deque([(items, False)])
        while parts:
            part, hurried = parts.popleft()
            several = len(part) > 1
            try:
                answer = self._answer_to(self._requests.make(part), once=hurried and several)
            except _GivenUp as given_up:
                self._got_on()
                if several:  # which has had its attempts: only single events get all of them again
                    parts.extendleft((half, True) for half in _halves(part))
                else:
                    settle(1, [Rejection(part[0][1].position, given_up.reason)])
                continue
            if judge(answer.status) is Verdict.DONE:
                settled = self._settle_accepted(part, answer, settle)
                if settled < len(part):
                    parts.appendleft((part[settled:], hurried))
            elif several and may_be_one_of_many(answer.status):
                self._got_on()
                parts.extendleft((half, hurried) for half in _halves(part))
            else:
                self._got_on()
                settle(len(part), [_rejection(item, answer.status) for item in part])

    def _answer_to(self, request: Request, *, once: bool) -> Answer:
        """Send until the receiver has accepted or refused.

        Args:
            request: of some events.
            once: whether to give up as soon as the receiver fails for them.
        """
        while True:
            self._wait_for_the_breaker()
            try:
                answer = self._sender.send(request)
            except Transient as error:
                self._pause(error)
                continue
            match judge(answer.status):
                case Verdict.STOP:
                    raise _needs_an_operator(answer.origin, answer.status)
                case Verdict.RETRY:
                    trouble = Transient(f"{answer.origin} answered with status {answer.status}.")
                    asked_s = self._asked_for(answer)
                    self._pause(trouble, answer.status, asked_s=asked_s, once=once)
                case Verdict.DONE | Verdict.REFUSED:
                    self._breaker.succeeded()
                    return answer

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

    def _pause(
        self,
        trouble: Transient,
        status: int | None = None,
        *,
        asked_s: float | None = None,
        once: bool = False,
    ) -> None:
        """Take note of a failed attempt, and wait before the next one.

        Args:
            trouble: what happened.
            status: with which the receiver answered for these events; None if it did not.
            asked_s: for how many seconds it asks to be left alone, by all lanes.
            once: whether to give up at once if it fails for these events.

        Raises:
            _GivenUp: it has failed for these events as often as ``retry`` allows.
            DeliveryGivenUp: it was away for longer than ``retry`` allows.
        """
        if self._closing.is_set():
            raise Closing
        now = time.monotonic()
        if asked_s is None:
            self._breaker.failed(now)
        else:
            self._breaker.hold(now + asked_s)
        blamed = self._blames_the_events(status, asked_s)
        if blamed is not self._blamed:  # each kind of failure has attempts of its own
            self._got_on()
            self._blamed = blamed
        self._attempts += 1
        delay = None if blamed and once else self._backoff.next_delay()
        if delay is None and blamed:
            raise _GivenUp(
                f"The receiver answered with status {status} at attempt {self._attempts}, the last."
            )
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

    def _blames_the_events(self, status: int | None, asked_s: float | None) -> bool:
        """Whether a failure may become a dead letter: not while the receiver as such is away."""
        return (
            self._config.on_give_up == "dead_letter"
            and status is not None
            and status >= 500
            and asked_s is None
        )

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
            self._pause(Transient(f"{answer.origin} answered without a result for each event."))
            return 0
        rejections = []
        for settled, (item, status) in enumerate(zip(part, statuses, strict=True)):
            match judge(status):
                case Verdict.DONE:
                    pass
                case Verdict.REFUSED:
                    rejections.append(_rejection(item, status))
                case Verdict.STOP:
                    raise _needs_an_operator(answer.origin, status)
                case Verdict.RETRY:
                    # This one and all behind it come again, so that their order stays.
                    if settled:
                        self._got_on()
                        settle(settled, rejections)
                    trouble = Transient(
                        f"{answer.origin} answered with status {status} for an event."
                    )
                    try:
                        self._pause(trouble, status)
                    except _GivenUp as given_up:
                        self._got_on()
                        settle(1, [Rejection(item[1].position, given_up.reason)])
                        return settled + 1
                    return settled
        self._got_on()
        settle(len(part), rejections)
        return len(part)

    def _got_on(self) -> None:
        """The next failure is the first one again."""
        if self._attempts:
            self._attempts = 0
            self._backoff.reset()


def _halves(part: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
    """Return the second half and the first, as they are put in front of a queue."""
    middle = len(part) // 2
    return part[middle:], part[:middle]


def _rejection(item: Item, status: int) -> Rejection:
    return Rejection(item[1].position, f"The receiver refused it with status {status}.")


def _needs_an_operator(origin: str, status: int) -> EnvironmentProblem:
    if status < 400:
        why = ", as it would turn the request into a GET" if status in (301, 302, 303) else ""
        return EnvironmentProblem(
            f"{origin} answered with status {status}; the redirect is not followed{why}.",
            remedy="Set url to where the receiver is; allow_redirects follows 307 and 308.",
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
