"""What people get to see."""

from __future__ import annotations

import pytest

from bridge.commands.output import print_table


def test_a_table_is_in_words_and_numbers_stand_to_the_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(
        ("name", "active", "bytes"), [("a", True, 5), ("b\x1b[1m", False, 1234), ("c", None, None)]
    )
    assert capsys.readouterr().out.splitlines() == [
        "name      active  bytes",
        "a         yes         5",
        "b\\x1b[1m  no       1234",
        "c",
    ]
