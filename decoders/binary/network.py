"""The types ``inet`` and ``cidr``.

Layout: byte family (2 or 3), byte prefix length, byte 1 for cidr, byte size of the address,
address (https://www.postgresql.org/docs/current/datatype-net-types.html).
"""

from __future__ import annotations

from decoders.binary.converter import Converter, bad_value

_ADDRESS_SIZE = {2: 4, 3: 16}
_HEADER_SIZE = 4


def network(type_name: str) -> Converter:
    """Return the converter of ``inet`` or ``cidr``."""
    with_full_prefix = type_name == "cidr"

    def convert(data: bytes) -> str:
        address = data[_HEADER_SIZE:]
        if len(data) < _HEADER_SIZE or _ADDRESS_SIZE.get(data[0]) != len(address):
            raise bad_value(type_name, "unknown family, or an address of another size")
        prefix, size = data[1], data[3]
        if size != len(address) or prefix > 8 * size:
            raise bad_value(type_name, "the prefix or the size is beyond the address", 1)
        text = ".".join(map(str, address)) if size == 4 else _ipv6(address)
        return f"{text}/{prefix}" if with_full_prefix or prefix < 8 * size else text

    return convert


def _ipv6(address: bytes) -> str:
    """Print an IPv6 address as the server does, which is not quite as RFC 5952 says.

    The longest run of zero words becomes ``::``; addresses that embed an IPv4 address end in it.
    """
    words = [int.from_bytes(address[i : i + 2], "big") for i in range(0, 16, 2)]
    start, length = _longest_zeros(words)
    if start == 0 and (length == 6 or (length == 5 and words[5] == 0xFFFF)):
        middle = "ffff:" if length == 5 else ""
        return f"::{middle}{'.'.join(map(str, address[12:]))}"
    if length < 2:
        return ":".join([f"{word:x}" for word in words])
    head = ":".join([f"{word:x}" for word in words[:start]])
    tail = ":".join([f"{word:x}" for word in words[start + length :]])
    return f"{head}::{tail}"


def _longest_zeros(words: list[int]) -> tuple[int, int]:
    """Return start and length of the first of the longest runs of zeros."""
    best = (0, 0)
    start = 0
    for i, word in enumerate([*words, 1]):
        if word:
            if i - start > best[1]:
                best = (start, i - start)
            start = i + 1
    return best
