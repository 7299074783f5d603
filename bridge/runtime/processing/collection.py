"""Python's search for garbage, which has nothing to find while large states are copied."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from looking for cyclic garbage meanwhile, in all threads.

    Copying the state of a million keys makes millions of objects, none of them garbage. Python
    would look through all that there are again and again, which takes longer than the copy.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
