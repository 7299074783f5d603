"""When a receiver is left alone, and when it gets another chance."""

from __future__ import annotations

from sinks.webhook.breaker import CircuitBreaker


def opened(failures: int = 3, pause_s: float = 10.0) -> CircuitBreaker:
    breaker = CircuitBreaker(failures, pause_s)
    for _ in range(failures):
        assert breaker.wait_s(0.0) == 0.0
        breaker.failed(0.0)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = CircuitBreaker(3, 10.0)
    for _ in range(5):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.wait_s(0.0) == 0.0
    for _ in range(3):
        breaker.failed(0.0)
    assert breaker.wait_s(1.0) == 9.0


def test_after_the_pause_one_request_goes_and_the_others_wait() -> None:
    breaker = opened()
    assert breaker.wait_s(9.5) == 0.5
    assert breaker.wait_s(10.0) == 0.0
    assert breaker.wait_s(10.0) > 0.0


def test_the_one_request_decides() -> None:
    breaker = opened()
    assert breaker.wait_s(10.0) == 0.0
    breaker.failed(11.0)
    assert breaker.wait_s(11.0) == 10.0
    assert breaker.wait_s(21.0) == 0.0
    breaker.succeeded()
    assert [breaker.wait_s(21.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_after_it_has_closed_it_takes_as_many_failures_as_before() -> None:
    breaker = opened()
    assert breaker.wait_s(10.0) == 0.0
    breaker.succeeded()
    breaker.failed(12.0)
    breaker.failed(12.0)
    assert breaker.wait_s(12.0) == 0.0


def test_failures_of_requests_that_were_under_way_do_not_lengthen_the_pause() -> None:
    breaker = opened()
    breaker.failed(5.0)
    assert breaker.wait_s(6.0) == 4.0


def test_a_receiver_may_ask_for_a_pause_at_once() -> None:
    breaker = CircuitBreaker(100, 1.0)
    breaker.hold(30.0)
    assert breaker.wait_s(10.0) == 20.0
    breaker.hold(20.0)
    assert breaker.wait_s(10.0) == 20.0
    assert breaker.wait_s(30.0) == 0.0
    breaker.succeeded()
    assert breaker.wait_s(30.0) == 0.0
