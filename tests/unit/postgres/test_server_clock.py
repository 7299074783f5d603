"""Where the WAL ends, as the place where the next record begins tells it."""

from __future__ import annotations

import pytest

from bridge.postgres.server_clock import wal_end


@pytest.mark.parametrize(
    ("insert_lsn", "end"),
    [
        pytest.param(0x1000130, 0x1000130, id="within a page"),
        pytest.param(0x1002018, 0x1002000, id="behind the header of an empty page"),
        pytest.param(0x2000028, 0x2000000, id="behind the header of an empty segment"),
        pytest.param(0x1002000, 0x1002000, id="at the end of a page"),
    ],
)
def test_the_header_of_a_page_is_no_record(insert_lsn: int, end: int) -> None:
    assert wal_end(insert_lsn, page_bytes=8192) == end
