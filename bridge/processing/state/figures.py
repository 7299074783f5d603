"""What processors say of themselves, stored beside their states for those who look at them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from bridge.processing.state.store import StateStore

_FIGURES: Final = "/figures"


def figures_name(state_name: str) -> str:
    """Return the name under which the figures of a processor are stored."""
    return f"{state_name}{_FIGURES}"


def figures(name: str, stats: Mapping[str, int]) -> dict[str, Any]:
    """Return the figures of a processor as plain data.

    Args:
        name: of the processor.
        stats: of its dataflow.
    """
    return {"processor": name, **stats}


def stored_figures(store: StateStore, names: Collection[str]) -> dict[str, dict[str, int]]:
    """Return the figures of the last checkpoint, by the name of the processor.

    Args:
        store: of the states; only the figures are loaded.
        names: of all states in it.
    """
    found = store.load([name for name in names if name.endswith(_FIGURES)])
    if found is None:
        return {}
    return {state.pop("processor"): state for state in map(dict, found.states.values())}
