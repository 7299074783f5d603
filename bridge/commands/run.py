"""``pgbridge run``: stream changes to the sinks until told to stop."""

from __future__ import annotations

import gc
import os
import signal
import sys
from argparse import Namespace
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING

from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK

if TYPE_CHECKING:
    from bridge.app import Bridge
    from bridge.commands.parsing import Subparsers

_YOUNG_OBJECTS = 50_000
"""Events live for milliseconds and form no cycles. A collection for each 700 of them, which is the
default, finds nothing and takes time."""


_SWITCH_INTERVAL_S = 0.0005
"""How long one thread may keep another from running Python. The thread that reads is idle between
two messages only for microseconds: with the default of 5 ms a sink's thread that comes back from
the disk waits for it that long, again and again."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "run", "stream changes to the sinks until told to stop", _run)
    parser.add_argument(
        "--accept-gap",
        action="store_true",
        help="go on although changes are lost; a message with the prefix pgbridge.gap tells the "
        "consumers between which positions",
    )


def _run(args: Namespace) -> int:
    from bridge.app import Bridge
    from bridge.commands.settings import load_settings

    bridge = Bridge(load_settings(args), accept_gap=args.accept_gap)
    _stop_on_signals(bridge)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    bridge.run()
    return EXIT_OK


def _stop_on_signals(bridge: Bridge) -> None:
    """SIGTERM and SIGINT end the run in order; the second one ends the process at once."""
    asked = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        # In a thread of its own: the handler interrupts the main thread, which may hold the very
        # lock that stopping needs.
        Thread(target=bridge.stop, name="stop", daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
