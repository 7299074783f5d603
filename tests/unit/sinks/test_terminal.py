"""The sink for people: one readable line for each event."""

from __future__ import annotations

import pytest

from bridge.core.events import ABSENT, CdcEvent, EventBatch, Operation, PartialRow, TruncateEvent
from bridge.core.relation import ReplicaIdentity
from sinks.base import Progress
from sinks.registry import sink_class
from sinks.terminal import TerminalConfig, TerminalSink, colored_line, plain_line
from tests.fixtures.events import (
    FEED,
    make_event,
    make_message,
    make_relation,
    make_transaction,
    many_transactions,
)

PRODUCTS = make_relation(
    {"id": "int4", "name": "text", "price": "numeric", "description": "text"},
    key=["id"],
    schema="shop",
    table="products",
)
ORDERS = make_relation(
    {"id": "int8", "status": "text", "total": "numeric"},
    key=["id"],
    schema="shop",
    table="orders",
    replica_identity=ReplicaIdentity.FULL,
)
ITEMS = make_relation(
    {"order_id": "int8", "line": "int2", "quantity": "int4"},
    key=["order_id", "line"],
    schema="shop",
    table="order_items",
)


def words(event: CdcEvent) -> str:
    """The line of an event, its columns one space apart."""
    return " ".join(plain_line(event).split())


def test_an_insert_shows_its_values_without_nulls() -> None:
    event = make_event(0x1B2C3D8, 2, row=("7", "Blue mug", "9.90", None), relation=PRODUCTS)
    assert words(event) == (
        "22:13:20.000 Insert shop.products #7 name 'Blue mug' price 9.90 0/1B2C3D8:2"
    )


def test_an_update_with_the_whole_old_row_shows_what_changed() -> None:
    event = make_event(
        row=("7", "paid", "19.80"),
        old=("7", "new", "19.80"),
        operation=Operation.UPDATE,
        relation=ORDERS,
    )
    assert "Update shop.orders #7 status new → paid 0/1000:0" in words(event)


def test_an_update_without_an_old_row_shows_the_new_one() -> None:
    row = PartialRow(("7", "Blue mug", None, ABSENT))
    event = make_event(row=row, operation=Operation.UPDATE, relation=PRODUCTS)
    assert words(event).split("#7 ")[1] == (
        "name 'Blue mug' price null description (unchanged) 0/1000:0"
    )


def test_an_update_of_the_key_shows_the_old_one() -> None:
    event = make_event(
        row=("8", "Blue mug", "9.90", None),
        old=PartialRow(("7", ABSENT, ABSENT, ABSENT)),
        operation=Operation.UPDATE,
        relation=PRODUCTS,
    )
    assert "#8 id 7 → 8 name 'Blue mug' price 9.90 description null" in words(event)


def test_a_delete_shows_what_is_known_of_the_row() -> None:
    key_only = PartialRow(("7", ABSENT, ABSENT, ABSENT))
    by_key = make_event(old=key_only, operation=Operation.DELETE, relation=PRODUCTS)
    whole = make_event(old=("7", "paid", None), operation=Operation.DELETE, relation=ORDERS)
    assert words(by_key).endswith("Delete shop.products #7 0/1000:0")
    assert words(whole).endswith("Delete shop.orders #7 status paid 0/1000:0")


def test_other_operations_have_their_line_too() -> None:
    truncate = TruncateEvent.of(make_transaction(0x1000), 3, 0xFF0, ITEMS, ("RESTART IDENTITY",))
    read = make_event(row=("1", "2", "3"), operation=Operation.READ, relation=ITEMS)
    assert words(truncate).endswith("Truncate shop.order_items RESTART IDENTITY 0/1000:3")
    assert words(read).endswith('Read shop.order_items #["1","2"] quantity 3 0/1000:0')
    assert words(make_message(content="hello there")).endswith(
        "Message audit hello there 0/1000:-1"
    )


def test_long_values_are_shortened() -> None:
    event = make_event(row=("1", "x" * 5_000))
    assert len(plain_line(event)) < 120
    assert "…" in plain_line(event)


@pytest.mark.parametrize("text", ["\x1b[2J", "\r\n", "\x9b1m", "\u202eright to left", "\0"])
def test_nothing_that_a_terminal_obeys_comes_through(text: str) -> None:
    event = make_event(row=(text, text), relation=make_relation({text: "text", "id": "text"}))
    assert plain_line(event).isprintable()
    assert colored_line(event, 200).plain.isprintable()


def test_a_colored_line_fills_the_width_and_ends_with_the_position() -> None:
    narrow, wide = colored_line(make_event(), 50), colored_line(make_event(), 120)
    assert [narrow.cell_len, wide.cell_len] == [50, 120]
    assert narrow.plain.endswith("…  0/1000:0")
    assert "user 1000:0" in wide.plain


def test_lines_come_out_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    batches = many_transactions(2)
    sink = sink_class("terminal")(TerminalConfig(color="never"))
    assert sink.open(FEED) is None
    assert sink.poll() == Progress(None)
    for batch in [*batches, EventBatch([])]:
        sink.write(batch)
    assert sink.flush(1.0) == Progress(batches[-1].last)
    sink.close()
    expected = [plain_line(event) for batch in batches for event in batch.events]
    assert capfd.readouterr().out.splitlines() == expected


@pytest.mark.parametrize(
    ("config", "colored"),
    [
        (TerminalConfig(), False),
        (TerminalConfig(color="never"), False),
        (TerminalConfig(color="always"), True),
    ],
)
def test_color_is_for_terminals_or_on_demand(
    config: TerminalConfig, colored: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    sink = TerminalSink(config)
    sink.open(FEED)
    sink.write(many_transactions(1)[0])
    sink.close()
    assert ("\x1b[" in capfd.readouterr().out) == colored
