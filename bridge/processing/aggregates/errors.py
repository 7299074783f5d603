"""What goes wrong when values are aggregated. No message holds a value."""

from __future__ import annotations

from bridge.core.errors import BridgeError


class Unaggregatable(BridgeError):
    """A function cannot take a value, or cannot take one back. Its state is as it was before."""


class Unfit(Exception):
    """A state does not take values like this one; its message ends the sentence "a value of"."""


class Absent(Exception):
    """A state does not hold the value that was to be taken back."""
