import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.secret import Dsn, Secret, mask_dsn


def test_a_secret_shows_nowhere() -> None:
    @dataclass
    class Holder:
        secret: Secret

    secret = Secret("canary")
    shown = [str(secret), repr(secret), f"{secret:>20}", "%s" % secret, repr(Holder(secret))]  # noqa: UP031
    assert not any("canary" in text for text in shown)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        "".join([secret])  # type: ignore[list-item]
    assert secret.reveal() == "canary"


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a")
    assert not Secret("")


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        (
            "postgresql://u:p@h:5432/db?sslmode=require",
            "postgresql://u:***@h:5432/db?sslmode=require",
        ),
        ("postgres://u@a:1,b:2/db", "postgres://u@a:1,b:2/db"),
        ("postgresql://[::1]:5432/db", "postgresql://[::1]:5432/db"),
        ("postgresql:///db?host=/run/pg&password=p", "postgresql:///db?host=/run/pg&password=***"),
        ("postgresql://h/db?options=-c%20a&xyz=p", "postgresql://h/db?options=***&***"),
        ("postgresql://u:p@ss@h/db", "postgresql://***"),
        ("postgresql://u:p/ss@h/db", "postgresql://***"),
        ("postgresql://u:p?s#s@h/db", "postgresql://***"),
        ("postgresql://u:secret/db", "postgresql://***"),
        ("host=h port=5432 password=p user=u", "host=h port=5432 password=*** user=u"),
        (r"password = 'a b\' c' dbname='my db'", "password=*** dbname='my db'"),
        ("host=h password=two words user=u", "host=h password=*** ***"),
        ("just a password", "***"),
        ("", ""),
    ],
)
def test_a_connection_string_shows_what_is_harmless(dsn: str, shown: str) -> None:
    assert mask_dsn(dsn) == shown
    assert str(Dsn(dsn)) == shown


_PASSWORDS = st.text(min_size=1, max_size=10).map(lambda text: f"CANARY{text}CANARY")


@given(_PASSWORDS)
def test_no_part_of_any_password_in_a_uri_is_shown(password: str) -> None:
    dsn = f"postgresql://u:{password}@h/db"
    assert "CANARY" not in mask_dsn(dsn)


@given(_PASSWORDS)
def test_no_part_of_any_quoted_password_is_shown(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    dsn = f"host=h password='{quoted}' user=u"
    assert mask_dsn(dsn) == "host=h password=*** user=u"
    assert password in Dsn(dsn).fragments()


@pytest.mark.parametrize(
    ("dsn", "password"),
    [
        ("postgresql://u:p%40ss@h/db", "p@ss"),
        ("postgresql://u:p@ss@h/db", "p@ss"),
        ("postgresql://h/db?user=u&password=p%20w", "p w"),
        (r"password=a\ b host=h", "a b"),
    ],
)
def test_the_password_is_known_to_whoever_has_to_keep_it_out(dsn: str, password: str) -> None:
    assert password in Dsn(dsn).fragments()
