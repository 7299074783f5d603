"""One call of libpq without the interpreter's lock.

psycopg holds the lock while libpq reads from the socket. A walsender that sends small transactions
makes that a fifth of the bridge's work, during which no sink could encode. The same function of
the same library, called through ``ctypes``, leaves the lock to them.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from operator import attrgetter

import psycopg
from psycopg import pq

_pointer = attrgetter("pgconn_ptr")
"""Documented by psycopg, though not part of its protocol class."""


def input_reader(pgconn: pq.abc.PGconn) -> Callable[[], None]:
    """Return a function that reads what the socket holds, as ``pgconn.consume_input`` does.

    It is ``PQconsumeInput`` (https://www.postgresql.org/docs/current/libpq-async.html). The thread
    that calls it must be the only one that uses the connection. Where libpq is not linked to a
    compiled psycopg, it is psycopg's own method.
    """
    extension = sys.modules[type(pgconn).__module__].__file__
    try:
        # The symbol is looked up in the libraries that the extension is linked to.
        consume = ctypes.CDLL(extension).PQconsumeInput
    except (OSError, AttributeError):
        return pgconn.consume_input
    consume.argtypes = [ctypes.c_void_p]
    consume.restype = ctypes.c_int

    def read() -> None:
        # The pointer is None once the connection is closed, which libpq answers with an error.
        if consume(_pointer(pgconn)) != 1:
            raise psycopg.OperationalError(f"reading failed: {pgconn.get_error_message()}")

    return read
