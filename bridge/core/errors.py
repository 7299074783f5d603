"""The one error tree, and what the runtime does about each branch.

::

    BridgeError                     every error that we raise ourselves
    ├── ConfigError                 stop, exit 2: the configuration is wrong
    │   └── ConfigInvalid           the same, with every problem at its place (bridge.config)
    ├── EnvironmentProblem          stop, exit 3: the server, its slot, a permission or the disk
    │   └── GapDetected             stop, exit 3: going on would silently skip changes
    ├── DecodeError                 stop, exit 1: bytes that are not the protocol
    ├── InvariantViolated           stop, exit 1: a promise of our own was about to be broken
    ├── DeliveryGivenUp             stop, exit 1: a target stayed away beyond its retry settings
    ├── EventRejected               for callers of process_event: the target never takes this event
    └── Transient                   retry with backoff: the other side is away, not wrong
        └── SlotBusy                retry as a hot standby: another process streams from the slot

A class exists only where a caller acts differently. An event that a sink can never accept is not
an error but a value (``sinks.base.Rejection``): it is dead-lettered and the stream goes on. Only
``process_event`` (``sinks.consumer``), which has no dead letters, makes it an error.
Every message names the thing that is wrong; ``remedy`` says what the operator can do about it.
Neither holds row values or secrets.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_RUNTIME = 1
EXIT_CONFIG = 2
EXIT_ENVIRONMENT = 3


class BridgeError(Exception):
    """Base of all errors raised by pgbridge.

    Args:
        message: what is wrong, in a sentence that names the thing.
        remedy: what the operator can do, in a sentence; empty if there is nothing to add.
    """

    exit_code: ClassVar[int] = EXIT_RUNTIME

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class ConfigError(BridgeError):
    """The configuration cannot be used. Nothing was started."""

    exit_code = EXIT_CONFIG


class EnvironmentProblem(BridgeError):
    """The world around the bridge needs an operator: a setting, a permission, a slot, a disk."""

    exit_code = EXIT_ENVIRONMENT


class GapDetected(EnvironmentProblem):
    """The slot is not where the checkpoint left it: starting would skip changes silently."""


class DecodeError(BridgeError):
    """The bytes of a message are not what the protocol allows.

    Args:
        message: what was expected.
        offset: where in the message, in bytes from its first byte (the tag).
        context: the kind of message and the field that was being read.
    """

    def __init__(self, message: str, *, offset: int, context: str) -> None:
        super().__init__(f"{context}: {message} (at byte {offset})")
        self.offset = offset
        self.context = context


class InvariantViolated(BridgeError):
    """Going on would break a delivery promise; the process must end instead."""


class DeliveryGivenUp(BridgeError):
    """The target was tried as often, or for as long, as its retry settings allow."""


class EventRejected(BridgeError):
    """The target can never accept this event, however often it is tried."""


class Transient(BridgeError):
    """The other side is away for now: try again after a pause."""


class SlotBusy(Transient):
    """Another process streams from the slot: wait for it as a hot standby."""
