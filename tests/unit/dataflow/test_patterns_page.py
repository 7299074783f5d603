"""The processors on the pages about joins and patterns give what the pages show."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.core.events import CdcEvent, Operation
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import Stream
from tests.unit.dataflow.shop import make, run

DOCS = Path(__file__).parents[3] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def processors(page: str) -> dict[str, str]:
    """Return the YAML of each processor on a page by its name."""
    found = [p for block in blocks(page, "yaml") for p in yaml.safe_load(block)["processors"]]
    return {processor["name"]: yaml.safe_dump(processor) for processor in found}


def orders_and_payments(stream: Stream) -> list[CdcEvent]:
    orders = make_relation({"id": "int8", "customer": "text"}, key=["id"], table="orders")
    payments = make_relation(
        {"id": "int8", "order_id": "int8", "amount": "numeric"}, key=["id"], table="payments"
    )
    return [
        stream.insert(0, ("7", "Ada"), orders),
        stream.insert(60, ("1", "7", "10.00"), payments),
    ]


def payments_with_a_card(stream: Stream) -> list[CdcEvent]:
    payments = make_relation(
        {"id": "int8", "card": "text", "amount": "numeric"}, key=["id"], table="payments"
    )
    rows = [("1", "visa", "1"), ("2", "visa", "2"), ("3", "visa", "501")]
    events = [stream.insert(10 * i, row, payments) for i, row in enumerate(rows)]
    return [*events, stream.other(60)]


@pytest.mark.parametrize(
    ("page", "events"),
    [
        ("processing-joins.md", orders_and_payments),
        ("processing-patterns.md", payments_with_a_card),
    ],
)
def test_the_result_on_the_page_is_what_its_processor_gives(page: str, events: Any) -> None:
    [shown] = map(json.loads, blocks(page, "json"))
    [result] = run(make(processors(page)[shown["processor"]]), events(Stream()))
    given = {
        "type": result.type,
        "delivery_id": shown["delivery_id"],
        "event_id": result.id,
        **json.loads(f"{{{result.members}}}"),
    }
    assert given == shown


@pytest.mark.parametrize("page", ["processing-joins.md", "processing-patterns.md"])
def test_all_processors_on_the_page_can_be_made(page: str) -> None:
    found = processors(page)
    assert len(found) == 3
    for name, text in found.items():
        assert make(text).name == name


def test_rising_prices_end_with_the_first_fall() -> None:
    prices = make_relation({"product": "text", "price": "numeric"}, key=["product"], table="prices")
    stream = Stream()
    events = [
        stream.event(i, Operation.INSERT, ("tea", price), None, prices)
        for i, price in enumerate(["5", "4", "5", "6", "7", "3", "9"])
    ]
    [result] = run(
        make(processors("processing-patterns.md")["rising"]), [*events, stream.other(60)]
    )
    found = json.loads(f"{{{result.members}}}")["events"]
    assert [row["price"] for row in found["rise"]] == ["4", "5", "6", "7"]
    assert [row["price"] for row in found["fall"]] == ["3"]
