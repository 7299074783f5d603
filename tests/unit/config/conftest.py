import pytest

from sinks.registry import SINKS


@pytest.fixture(autouse=True)
def invented_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``type: invented`` known."""
    monkeypatch.setitem(SINKS, "invented", "tests.unit.config.invented_sinks:InventedSink")
