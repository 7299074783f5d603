r"""One row of ``COPY ... TO STDOUT`` in text format -> the texts of its columns.

Tabs separate the columns, ``\N`` is NULL, and a backslash escapes what would be ambiguous
(https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"). COPY FROM reads more
escapes than COPY TO writes, octal and hexadecimal ones among them: those the server never sends
are errors here.
"""

from __future__ import annotations

import re

from bridge.core.errors import DecodeError

_CONTEXT = "COPY line"
_NULL = r"\N"
_ESCAPES = {
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)


def parse_copy_line(line: bytes, columns: int) -> tuple[str | None, ...]:
    r"""Return the text of each column, None for NULL.

    Args:
        line: one row as the server sent it, in UTF-8, with or without the final ``\n``.
        columns: how many columns the row has.

    Raises:
        DecodeError: not UTF-8, another number of columns, more than one line, or an escape that
            the server does not write.
    """
    if line.endswith(b"\n"):
        line = line[:-1]
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        printed = _lone_bytes_printed(line)
        if printed is None:
            # Without the cause: its message would quote the bytes of a value.
            raise DecodeError("not UTF-8 text", offset=error.start, context=_CONTEXT) from None
        text = printed
    if "\n" in text:
        raise DecodeError("a second line begins", offset=line.index(b"\n"), context=_CONTEXT)
    fields = text.split("\t") if columns or text else []
    if len(fields) != columns:
        raise DecodeError(
            f"{columns} columns expected, {len(fields)} found", offset=len(line), context=_CONTEXT
        )
    if "\\" not in text:
        return tuple(fields)
    try:
        return tuple(
            [
                field if "\\" not in field else None if field == _NULL else _unescape(field)
                for field in fields
            ]
        )
    except KeyError:
        raise DecodeError(
            "an escape that COPY TO does not write",
            offset=_unknown_escape(line),
            context=_CONTEXT,
        ) from None


def _lone_bytes_printed(line: bytes) -> str | None:
    r"""Decode a line in which fields are one byte beyond ASCII; None if that is not what is wrong.

    Only the type ``"char"`` prints that, on servers before 15. Newer ones print ``\303``.
    """
    try:
        return "\t".join(
            f"\\\\{field[0]:03o}" if len(field) == 1 and field[0] >= 0x80 else field.decode()
            for field in line.split(b"\t")
        )
    except UnicodeDecodeError:
        return None


def _unescape(field: str) -> str:
    return _ESCAPED.sub(lambda match: _ESCAPES[match[1]], field)


def _unknown_escape(line: bytes) -> int:
    """Return the offset of the first escape that is neither ``\\N`` alone nor in the table."""
    offset = 0
    for field in line.decode("latin-1").split("\t"):  # one character for each byte
        if field != _NULL:
            for match in _ESCAPED.finditer(field):
                if match[1] not in _ESCAPES:
                    return offset + match.start()
        offset += len(field) + 1
    return offset
