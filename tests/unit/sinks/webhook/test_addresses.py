"""Which addresses are on the public internet, and that a name is judged by what it resolves to."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from bridge.core.errors import EnvironmentProblem, Transient
from sinks.webhook import addresses
from sinks.webhook.addresses import addresses_of, is_public


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "1.1.1.1"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%lo",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)


def test_a_name_with_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "169.254.169.254")
    with pytest.raises(EnvironmentProblem, match=r"evil.example.*169\.254\.169\.254") as raised:
        addresses_of("evil.example", 80, name="http://evil.example", allow_private=False)
    assert "allow_private_addresses" in raised.value.remedy
    assert addresses_of("evil.example", 80, name="http://evil.example", allow_private=True) == [
        "169.254.169.254"
    ]


def test_of_several_addresses_only_the_public_ones_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, "10.0.0.1", "8.8.8.8", "8.8.8.8", "::1")
    assert addresses_of("mixed.example", 443, name="x", allow_private=False) == ["8.8.8.8"]


def test_a_name_of_this_machine_is_not_public() -> None:
    with pytest.raises(EnvironmentProblem, match="localhost"):
        addresses_of("localhost", 80, name="http://localhost", allow_private=False)


def test_a_name_that_nobody_knows_is_tried_again() -> None:
    with pytest.raises(Transient, match=r"nobody\.invalid cannot be resolved"):
        addresses_of("nobody.invalid", 80, name="http://nobody.invalid", allow_private=False)


def test_a_name_that_cannot_be_one_is_explained() -> None:
    with pytest.raises(Transient, match="cannot be resolved"):
        addresses_of("a" * 64 + ".example", 80, name="x", allow_private=False)
