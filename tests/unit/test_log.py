"""What is logged, in which form, and what never is."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bridge import log
from bridge.core.secret import Dsn, Secret
from tests.fixtures.logs import logging_restored

CANARY = "canary/7e1f@x"
DSN = Dsn("postgresql://app:canary%2F7e1f%40x@db.example/shop")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with logging_restored():
        yield


def logged(style: log.Style, level: log.Level = "info") -> tuple[Any, io.StringIO]:
    stream = io.StringIO()
    log.configure(level, style, stream)
    return structlog.get_logger(), stream


def test_json_is_one_object_a_line_with_time_level_and_name() -> None:
    logger, stream = logged("json")
    logger.info("slot_created", slot="pgbridge", lsn="0/1")
    logger.bind(sink="a").warning("sink_retry", attempt=3)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {"level": "info", "event": "slot_created", "slot": "pgbridge", "lsn": "0/1"}
    assert (second["sink"], second["attempt"]) == ("a", 3)


def test_the_console_form_has_the_name_and_the_fields() -> None:
    logger, stream = logged("console")
    logger.info("slot_created", slot="pgbridge")
    assert "slot_created" in stream.getvalue()
    assert "slot=pgbridge" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_what_is_below_the_level_is_not_logged() -> None:
    logger, stream = logged("json", "warning")
    logger.info("slot_created")
    assert stream.getvalue() == ""


def test_libraries_are_logged_in_the_same_form_from_warnings_upwards() -> None:
    _, stream = logged("json", "debug")
    logging.getLogger("library.part").info("chatter")
    logging.getLogger("library.part").warning("lost %s", "postgres://u:secret@h/db")
    [line] = map(json.loads, stream.getvalue().splitlines())
    assert line["event"] == "lost postgres://u:***@h/db"
    assert (line["logger"], line["level"]) == ("library.part", "warning")


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_secret_appears_in_no_field_no_text_and_no_traceback(style: log.Style) -> None:
    logger, stream = logged(style, "debug")
    log.protect([DSN, Secret("token-9d2c")])
    try:
        raise ConnectionError(f"cannot reach {DSN.reveal()} with token-9d2c")
    except ConnectionError as error:
        logger.exception("failed", error=error, text=str(error), dsn=DSN)
        logging.getLogger("library").exception("failed with %s", CANARY)
    logger.info("x", nested={"a": [f"<{CANARY}>", Secret("q")], CANARY: (DSN.reveal(),)})
    logger.info(f"name {CANARY}")
    logger.bind(token="token-9d2c").info("x")
    text = stream.getvalue()
    assert "Traceback" in text
    for leak in (CANARY, "canary%2F", "token-9d2c"):
        assert leak not in text


@pytest.mark.parametrize(
    "text",
    [
        "connection to postgresql://u:hunter2@h:5432/db failed",
        "amqp://u:hunter2@h",
        "host=h password=hunter2 user=u",
        r"host=h PASSWORD = 'hunter2 \' hunter2' user=u",
        "https://h/?sslpassword=hunter2&x=1",
    ],
)
def test_what_looks_like_a_password_is_masked_without_being_known(text: str) -> None:
    assert "hunter2" not in log.mask(text)
    assert "h" in log.mask(text)


def test_ordinary_text_stays() -> None:
    text = "slot 'pgbridge' at 16/B374D848: see https://example.org/a?b=c, user@example.org"
    assert log.mask(text) == text
