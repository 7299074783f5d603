"""The first example of docs/read-models.md does what the page says."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from bridge.eventsourcing.read_models.fold import fold
from tests.fixtures.bank_views import Bank

PAGE = Path(__file__).parents[3] / "docs/read-models.md"


def test_the_example_folds_events_into_balances(monkeypatch: pytest.MonkeyPatch) -> None:
    (code, *_) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    module = ModuleType("bank")
    monkeypatch.setitem(sys.modules, "bank", module)
    exec(code, vars(module))
    bank = Bank()
    bank.happens("1", "UserCreated", id=1)
    bank.happens("1", "MoneyDeposited", amount="12.50")
    bank.happens("2", "UserCreated", id=2)
    bank.happens("1", "MoneyDeposited", amount=2)
    bank.happens("2", "UserDeleted", id=2)
    failures: list[object] = []

    rows = fold(
        module.balances,
        list(bank.events.read_all()),
        lambda keys: {},
        lambda event, failure: failures.append(failure),
    )

    assert failures == []
    assert rows == {("1",): ("1", Decimal("14.50"), 2), ("2",): None}
