"""Signatures, held against the vectors of the Standard Webhooks reference libraries."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode

import pytest

from sinks.webhook.signatures import Signer, SigningSecret

SECRET = SigningSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OTHER = SigningSecret("whsec_" + b64encode(b"0123456789abcdef0123456789abcdef").decode())


def test_the_vector_of_the_reference_libraries() -> None:
    signature = Signer([SECRET]).sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_is_the_hmac_of_id_timestamp_and_body() -> None:
    body = bytes(range(256))
    expected = hmac.digest(b64decode(OTHER.reveal()[6:]), b"id.7." + body, "sha256")
    assert Signer([OTHER]).sign("id", 7, body) == "v1," + b64encode(expected).decode()


def test_while_secrets_change_each_of_them_signs() -> None:
    both = Signer([OTHER, SECRET]).sign("id", 7, b"{}").split(" ")
    assert both == [Signer([secret]).sign("id", 7, b"{}") for secret in (OTHER, SECRET)]


def test_a_signer_can_be_used_again() -> None:
    signer = Signer([SECRET])
    assert signer.sign("a", 1, b"x") == signer.sign("a", 1, b"x") != signer.sign("b", 1, b"x")


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "whsec_short", "whsec_not base64!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
     "whsec_c2hvcnQ=", "whsec_" + b64encode(bytes(65)).decode()],
)  # fmt: skip
def test_a_secret_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_") as raised:
        SigningSecret(text).key()
    assert not text.removeprefix("whsec_") or text not in str(raised.value)


def test_a_secret_is_hidden_with_and_without_its_prefix() -> None:
    assert SECRET.fragments() == (SECRET.reveal(), SECRET.reveal()[6:])
    assert str(SECRET) == "***"
