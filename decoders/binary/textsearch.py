"""The types ``tsvector`` and ``tsquery``.

https://www.postgresql.org/docs/current/datatype-textsearch.html
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from decoders.wire import Reader

_POSITION_BITS = 14
_POSITION_WEIGHTS = ("", "C", "B", "A")

_OPERAND, _OPERATOR = 1, 2
_NOT, _AND, _OR, _PHRASE = 1, 2, 3, 4
_PRIORITY = {_OR: 1, _AND: 2, _PHRASE: 3, _NOT: 4}
_ATOM = 5
_SYMBOL = {_AND: " & ", _OR: " | "}
_QUERY_WEIGHTS = ((8, "A"), (4, "B"), (2, "C"), (1, "D"))

# Pieces of text, nested as the query is: joined once at the end, because joining at each level
# would take quadratic time, and a query may be as long and as deep as somebody made it.
_Pieces: TypeAlias = "str | tuple[_Pieces, ...]"


class _Node(NamedTuple):
    pieces: _Pieces
    priority: int
    is_phrase: bool = False


def tsvector(data: bytes) -> str:
    """Type ``tsvector``: int32 number of lexemes; each: text with zero byte, int16 number of
    positions, int16 positions with the weight in the upper two bits.
    """
    reader = Reader(data, "value of tsvector")
    count = reader.count32("number of lexemes", item_size=3)
    lexemes = " ".join([_lexeme(reader) for _ in range(count)])
    reader.expect_end()
    return lexemes


def _lexeme(reader: Reader) -> str:
    lexeme = _quote(reader.cstring("lexeme"))
    count = reader.count16("number of positions", item_size=2)
    if not count:
        return lexeme
    positions = [reader.uint16("position") for _ in range(count)]
    mask = (1 << _POSITION_BITS) - 1
    listed = ",".join([f"{p & mask}{_POSITION_WEIGHTS[p >> _POSITION_BITS]}" for p in positions])
    return f"{lexeme}:{listed}"


def tsquery(data: bytes) -> str:
    """Type ``tsquery``: int32 number of items; each: byte kind, then for an operand byte weights,
    byte prefix match, text with zero byte; for an operator byte operator, for a phrase int16
    distance. An operator stands before its right operand, and that before the left one.
    """
    reader = Reader(data, "value of tsquery")
    count = reader.count32("number of items", item_size=2)
    items = [_item(reader) for _ in range(count)]
    reader.expect_end()
    if not items:
        return ""
    operands: list[_Node] = []
    for item in reversed(items):
        if isinstance(item, str):
            operands.append(_Node(item, _ATOM))
            continue
        operator, distance = item
        if len(operands) < (1 if operator == _NOT else 2):
            raise reader.error("an operator has too few operands")
        right = operands.pop()
        if operator == _NOT:
            operands.append(_Node(("!", _operand(right, operator)), _PRIORITY[_NOT]))
            continue
        left = operands.pop()
        operands.append(
            _Node(
                (
                    _operand(left, operator),
                    _SYMBOL.get(operator) or (f" <{distance}> " if distance != 1 else " <-> "),
                    _operand(right, operator, is_right=True),
                ),
                _PRIORITY[operator],
                operator == _PHRASE,
            )
        )
    if len(operands) != 1:
        raise reader.error("operands are left over")
    return _join(operands[0].pieces)


def _item(reader: Reader) -> str | tuple[int, int]:
    """Read one item: an operand as its text, an operator as (operator, distance)."""
    kind = reader.byte("item kind")
    if kind == _OPERAND:
        weights, prefix = reader.byte("weights"), reader.byte("prefix match")
        text = _quote(reader.cstring("operand"))
        if not weights and not prefix:
            return text
        letters = "".join([letter for bit, letter in _QUERY_WEIGHTS if weights & bit])
        return f"{text}:{'*' if prefix else ''}{letters}"
    operator = reader.byte("operator")
    if kind != _OPERATOR or operator not in _PRIORITY:
        raise reader.error("neither an operand nor a known operator", "item kind")
    return operator, reader.int16("distance") if operator == _PHRASE else 0


def _operand(node: _Node, parent: int, *, is_right: bool = False) -> _Pieces:
    """Return an operand, in parentheses if it binds less tightly than its operator.

    A phrase to the right of a phrase needs them too: the operator is not associative.
    """
    if node.priority < _PRIORITY[parent] or (node.is_phrase and is_right and parent == _PHRASE):
        return ("( ", node.pieces, " )")
    return node.pieces


def _join(pieces: _Pieces) -> str:
    """Join nested pieces, however deep, without recursion."""
    flat: list[str] = []
    pending = [pieces]
    while pending:
        piece = pending.pop()
        if isinstance(piece, str):
            flat.append(piece)
        else:
            pending.extend(reversed(piece))
    return "".join(flat)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
