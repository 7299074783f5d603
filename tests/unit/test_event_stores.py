"""Opening the storage that the settings name: what cannot be opened is named with its setting."""

from __future__ import annotations

import pytest

from bridge.config.event_store import StoreConfig
from bridge.core.errors import EnvironmentProblem
from bridge.core.secret import Dsn
from bridge.event_stores import open_storage

NOWHERE = "host=127.0.0.1 port=1 dbname=events password=canary-7e1f connect_timeout=2"


def test_a_database_of_its_own_is_looked_for_in_the_settings_of_the_store() -> None:
    with pytest.raises(EnvironmentProblem, match=r"127\.0\.0\.1:1/events") as raised:
        open_storage(StoreConfig(type="postgres", dsn=Dsn(NOWHERE)))
    assert "`store.dsn`" in raised.value.remedy
    assert "source" not in raised.value.remedy
    assert "canary" not in str(raised.value)
