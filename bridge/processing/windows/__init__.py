"""Windows: which events belong together, and what is told of them and when."""

from __future__ import annotations

from bridge.processing.windows.definitions import WindowType
from bridge.processing.windows.result import WindowResult

__all__ = ["WindowResult", "WindowType"]
