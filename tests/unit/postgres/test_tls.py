"""Which TLS a connection gets when the connection string leaves it open."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.postgres.tls import is_local, tls_defaults, tls_note


@pytest.fixture(autouse=True)
def no_tls_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGSERVICE", "PGHOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    "host", ["", "/run/postgresql", "@abstract", "localhost", "127.0.0.1", "127.1.2.3", "::1"]
)
def test_this_machine_needs_no_tls(host: str) -> None:
    assert is_local({"host": host})
    assert tls_defaults({"host": host}) == {}
    assert tls_note({"host": host}) is None


def test_another_host_must_prove_its_name() -> None:
    added = tls_defaults({"host": "db.example.com"})

    assert added["sslmode"] == "verify-full"
    assert added["sslrootcert"]
    assert tls_note({"host": "db.example.com", **added}) is None


def test_one_remote_host_among_several_is_enough() -> None:
    assert tls_defaults({"host": "localhost,db.example.com"})["sslmode"] == "verify-full"


def test_an_address_counts_more_than_a_name() -> None:
    assert tls_defaults({"host": "localhost", "hostaddr": "10.0.0.1"})["sslmode"] == "verify-full"


def test_a_mode_that_was_given_stays_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = {"host": "db.example.com"}

    assert tls_defaults({**remote, "sslmode": "disable"}) == {}
    assert "unencrypted" in (tls_note({**remote, "sslmode": "disable"}) or "")
    assert "pretend" in (tls_note({**remote, "sslmode": "require"}) or "")

    monkeypatch.setenv("PGSSLMODE", "require")
    assert tls_defaults(remote) == {}
    assert "pretend" in (tls_note(remote) or "")


def test_certificates_that_were_given_stay() -> None:
    added = tls_defaults({"host": "db.example.com", "sslrootcert": "ours.crt"})

    assert added == {"sslmode": "verify-full"}


def test_certificates_in_the_place_of_libpq_stay(tmp_path: Path) -> None:
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_text("")

    assert tls_defaults({"host": "db.example.com"}) == {"sslmode": "verify-full"}


def test_a_service_file_decides_for_itself() -> None:
    assert tls_defaults({"service": "shop"}) == {}
    assert "service file" in (tls_note({"service": "shop"}) or "")
