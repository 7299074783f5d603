"""Existing rows that wait on disk until a projection may tell of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position
from bridge.runtime.projecting.existing_rows import ExistingRows, remove_all
from tests.fixtures.events import many_transactions
from tests.fixtures.small_disk import fill, small_disk

BATCHES = many_transactions(4)
POSITIONS = [event.position for batch in BATCHES for event in batch.events]


def rows_in(directory: Path) -> ExistingRows:
    """Return rows of a complete snapshot."""
    with closing(ExistingRows.begin(directory, "accounts")) as rows:
        rows.add(BATCHES)
    found = ExistingRows.find(directory, "accounts")
    assert found is not None
    return found


def positions(rows: ExistingRows | None, after: Position | None = None) -> list[Position]:
    assert rows is not None
    return [event.position for batch in rows.batches(after) for event in batch.events]


def test_rows_are_found_again_until_they_are_removed(tmp_path: Path) -> None:
    rows = ExistingRows.begin(tmp_path / "rows", "accounts")
    rows.add(BATCHES[:1])
    rows.add(BATCHES[1:])
    assert (rows.last, rows.complete) == (POSITIONS[-1], False)
    rows.close()
    found = ExistingRows.find(tmp_path / "rows", "accounts")
    assert found is not None
    assert (found.last, found.complete) == (POSITIONS[-1], True)
    assert positions(found) == POSITIONS
    assert positions(found, POSITIONS[4]) == POSITIONS[5:]
    assert positions(found, POSITIONS[-1]) == []
    assert ExistingRows.find(tmp_path / "rows", "orders") is None
    found.remove()
    assert ExistingRows.find(tmp_path / "rows", "accounts") is None


def test_a_first_start_that_begins_anew_forgets_them(tmp_path: Path) -> None:
    rows_in(tmp_path)
    remove_all(tmp_path)
    with closing(ExistingRows.begin(tmp_path, "accounts")) as rows:
        assert (rows.last, positions(rows)) == (None, [])
    remove_all(tmp_path / "nowhere")


@pytest.mark.parametrize("damage", ["cut", "bit"])
def test_a_damaged_file_is_named_and_nothing_is_told_in_silence(
    tmp_path: Path, damage: str
) -> None:
    rows_in(tmp_path)
    path = tmp_path / "accounts.rows"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-1]
    else:
        content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(EnvironmentProblem, match=r"accounts\.rows is damaged"):
        positions(ExistingRows.find(tmp_path, "accounts"))


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        fill(disk / "filler")
        with (
            closing(ExistingRows.begin(disk, "accounts")) as rows,
            pytest.raises(EnvironmentProblem, match=r"accounts\.rows .* the disk is full"),
        ):
            rows.add(BATCHES)


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("a file")
    with pytest.raises(EnvironmentProblem, match=r"rows.* cannot be used"):
        ExistingRows.begin(tmp_path / "rows", "accounts")
