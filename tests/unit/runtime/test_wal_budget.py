"""Retained WAL against the budget."""

from __future__ import annotations

import pytest

from bridge.runtime.wal_budget import Verdict, WalBudget

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("retained", "status", "safe", "verdict"),
    [
        (0, "reserved", None, Verdict.FINE),
        (None, "reserved", None, Verdict.FINE),
        (100 * MIB, "extended", None, Verdict.FINE),
        (101 * MIB, "extended", None, Verdict.WARN),
        (10 * MIB, "unreserved", None, Verdict.WARN),
        (10 * MIB, "lost", None, Verdict.WARN),
        (60 * MIB, "extended", 40 * MIB, Verdict.WARN),
        (40 * MIB, "extended", 60 * MIB, Verdict.FINE),
    ],
)
def test_what_is_retained_leads_to_a_warning_in_time(
    retained: int | None, status: str, safe: int | None, verdict: Verdict
) -> None:
    budget = WalBudget(warn_bytes=100 * MIB)
    assert budget.judge(retained_bytes=retained, wal_status=status, safe_wal_size=safe) is verdict


@pytest.mark.parametrize(
    ("on_exceeded", "verdict"),
    [("warn", Verdict.WARN), ("stop", Verdict.STOP), ("drop_slot", Verdict.DROP_SLOT)],
)
def test_beyond_the_budget_follows_what_was_configured(on_exceeded: str, verdict: Verdict) -> None:
    budget = WalBudget(warn_bytes=MIB, max_bytes=10 * MIB, on_exceeded=on_exceeded)  # type: ignore[arg-type]
    assert (
        budget.judge(retained_bytes=11 * MIB, wal_status="extended", safe_wal_size=None) is verdict
    )
    assert (
        budget.judge(retained_bytes=10 * MIB, wal_status="extended", safe_wal_size=None)
        is Verdict.WARN
    )
