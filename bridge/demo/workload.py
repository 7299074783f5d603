"""A small shop and what happens in it: the changes that the demo shows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from bridge.postgres.connection import Connection, Database
from sql import load

SCHEMA = "shop"

_KEPT_ORDERS = 200
_NAMES = ("Dora", "Elif", "Farid", "Grace", "Hana", "Ivan", "Júlia", "Kofi", "Linh", "Mateo")
_STREETS = ("Harbour Road", "Mill Lane", "Rue du Pont", "Brückenstraße")
_CITIES = ("Lisbon", "Genève", "Kraków", "Porto", "Utrecht")
_PATHS = ("/", "/mugs", "/search?q=lamp", "/basket", "/products/4")


def open_shop(database: Database) -> None:
    """Create the tables, and the rows that were there before the bridge came."""
    with database.connect() as connection, connection.transaction():
        connection.execute(load("demo/schema.sql"))
        connection.execute(load("demo/rows.sql"))


class Workload:
    """Customers: a thread that runs one transaction after the other, at a steady rate.

    Args:
        database: with an open shop.
        rate: transactions in a second.
        failed: called once, with the error, if the shop cannot go on.
        seed: of what happens.
    """

    def __init__(
        self,
        database: Database,
        *,
        rate: float,
        failed: Callable[[Exception], None],
        seed: int | None = None,
    ) -> None:
        self._database = database
        self._interval_s = 1 / rate
        self._failed = failed
        self._random = random.Random(seed)
        self._ending = Event()
        self._thread = Thread(target=self._run, name="workload", daemon=True)

    def start(self) -> None:
        """Let the customers in."""
        self._thread.start()

    def stop(self) -> None:
        """End after the transaction that is running. Does nothing the second time."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with self._database.connect() as connection:
                self._trade(connection)
        except Exception as error:  # whatever it is, the demo has to hear of it
            self._failed(error)

    def _trade(self, connection: Connection) -> None:
        # Each day is the same list of things in another order; the first has something of
        # everything early on.
        day = [
            self._view_page, self._place_order, self._advance_order, self._change_price,
            self._place_order, self._cancel_order, self._change_preferences, self._view_page,
            self._clear_page_views, self._place_order, self._advance_order, self._new_customer,
            self._place_order, self._rewrite_description, self._advance_order, self._view_page,
            self._place_order, self._advance_order, self._view_page, self._clear_old_orders,
        ]  # fmt: skip
        due = time.monotonic()
        while True:
            for happens in day:
                if self._ending.wait(max(0.0, due - time.monotonic())):
                    return
                # A shop that cannot keep up does not try to make up for it later.
                due = max(due + self._interval_s, time.monotonic())
                with connection.transaction():
                    happens(connection)
            self._random.shuffle(day)

    def _place_order(self, connection: Connection) -> None:
        found = connection.execute(load("demo/place_order.sql")).fetchone()
        order = None if found is None else found[0]
        for line in range(1, self._random.randint(1, 3) + 1):
            self._execute(
                connection, "add_item", order=order, line=line, quantity=self._random.randint(1, 4)
            )
        self._execute(connection, "take_from_stock", order=order)
        self._execute(connection, "total_order", order=order)

    def _advance_order(self, connection: Connection) -> None:
        self._execute(connection, "advance_order")

    def _cancel_order(self, connection: Connection) -> None:
        self._execute(connection, "cancel_order")
        self._execute(connection, "emit_message", content="an order was cancelled")

    def _clear_old_orders(self, connection: Connection) -> None:
        self._execute(connection, "clear_old_orders", keep=_KEPT_ORDERS)

    def _change_price(self, connection: Connection) -> None:
        self._execute(connection, "change_price", factor=self._random.choice((0.9, 0.95, 1.1)))

    def _rewrite_description(self, connection: Connection) -> None:
        self._execute(connection, "rewrite_description")

    def _new_customer(self, connection: Connection) -> None:
        choose, number = self._random.choice, self._random.randrange(1 << 40)
        name = choose(_NAMES)
        self._execute(
            connection,
            "new_customer",
            name=name,
            email=f"{name.lower()}.{number:x}@example.com",
            street=f"{number % 90 + 1} {choose(_STREETS)}",
            postcode=f"{number % 9000 + 1000}",
            city=choose(_CITIES),
            ip=f"198.51.100.{number % 256}",
        )

    def _change_preferences(self, connection: Connection) -> None:
        key = self._random.choice(("theme", "currency", "page_size"))
        self._execute(
            connection, "change_preferences", key=key, value=self._random.randrange(1_000_000)
        )

    def _view_page(self, connection: Connection) -> None:
        path, seconds = self._random.choice(_PATHS), round(self._random.expovariate(5), 3)
        self._execute(connection, "view_page", path=path, seconds=seconds)

    def _clear_page_views(self, connection: Connection) -> None:
        self._execute(connection, "clear_page_views")

    def _execute(self, connection: Connection, statement: str, **arguments: Any) -> None:
        connection.execute(load(f"demo/{statement}.sql"), arguments)
