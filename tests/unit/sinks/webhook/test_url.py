"""Addresses of receivers: what they mean, and what of them is shown."""

from __future__ import annotations

import pytest

from sinks.webhook.url import Endpoint, Url


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "origin"),
    [
        ("https://example.com", "example.com", 443, "/", "https://example.com"),
        ("http://example.com:8080/a?b=c", "example.com", 8080, "/a?b=c", "http://example.com:8080"),
        ("HTTPS://Example.COM:443/A", "example.com", 443, "/A", "https://example.com"),
        ("http://[::1]:80/", "::1", 80, "/", "http://[::1]"),
        ("https://a_b.example.com./?x", "a_b.example.com.", 443, "/?x", "https://a_b.example.com."),
    ],
)
def test_an_address_in_its_parts(text: str, host: str, port: int, target: str, origin: str) -> None:
    endpoint = Endpoint.parse(text)
    assert (endpoint.host, endpoint.port, endpoint.target) == (host, port, target)
    assert endpoint.origin == origin
    assert endpoint.account is None


def test_an_account_in_an_address_becomes_a_header() -> None:
    endpoint = Endpoint.parse("https://aladdin:open%20sesame@example.com/")
    assert endpoint.account == "Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert endpoint.authority == "example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/hook",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "https://exa mple.com/",
        "https://example.com/\r\nX-Injected: yes",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://[::1/",
        "https://bücher.example/",
        "https://-/",
    ],
)
def test_what_is_not_an_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as raised:
        Endpoint.parse(text)
    assert not text or text not in str(raised.value)


def test_only_scheme_host_and_port_of_an_address_are_shown() -> None:
    url = Url("https://user:pass%40word@example.com:8443/T0000/secret-of-the-path?token=abc%2Fdef")
    assert str(url) == "https://example.com:8443/***"
    assert "pass" not in repr(url)
    assert {
        "pass%40word",
        "pass@word",
        "token=abc%2Fdef",
        "abc/def",
        "abc%2Fdef",
        "secret-of-the-path",
    } <= set(url.fragments())
    assert "T0000" not in url.fragments()


def test_an_address_that_cannot_be_read_is_masked_whole() -> None:
    assert str(Url("htp://user:password@example.com")) == "***"
