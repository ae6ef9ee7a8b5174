"""
Deterministic CBOR for values without a schema (RFC 8949 §4.2.1, without maps).

Values are int (64 bits), bytes, str, bool, None, and tuples or lists of values; arrays decode to lists.
Values with a schema, which is nearly all of them, go through `noded.codec.schema`.
"""

from typing import Any

from noded.codec import heads
from noded.codec.errors import Malformed, Unencodable

DEPTH_MAX = 16
"""Arrays within arrays; the deepest message of the protocol has fewer than half as many."""

_WHERE = "cbor"


def encode(value: object, *, max_depth: int = DEPTH_MAX) -> bytes:
    """
    The one encoding of a plain value.

    Raises:
        Unencodable: The value has another type, or is too large or too deep.
    """
    parts: list[bytes] = []
    _write(value, parts, max_depth)
    return b"".join(parts)


def decode(data: bytes, *, max_bytes: int, max_depth: int = DEPTH_MAX) -> Any:
    """
    The plain value of which `data` is the one encoding: `encode(decode(data)) == data` (C1).

    Raises:
        Malformed: There is none, or it is larger than `max_bytes` or deeper than `max_depth`.
    """
    if len(data) > max_bytes:
        raise Malformed(_WHERE, f"more than {max_bytes} bytes")
    try:
        value, end = _read(data, 0, max_depth)
    except IndexError:
        raise Malformed(_WHERE, "the data ends early") from None
    if end != len(data):
        raise Malformed(_WHERE, "more data follows the value")
    return value


def _write(value: object, parts: list[bytes], depth: int) -> None:
    kind = type(value)
    if kind is int:
        assert isinstance(value, int)
        if not heads.INT_MIN <= value <= heads.INT_MAX:
            raise Unencodable(_WHERE, "more than 64 bits")
        parts.append(heads.integer(value))
    elif kind is bytes:
        assert isinstance(value, bytes)
        parts += (heads.head(heads.BYTES, len(value)), value)
    elif kind is str:
        assert isinstance(value, str)
        text = heads.utf8(value, _WHERE)
        parts += (heads.head(heads.TEXT, len(text)), text)
    elif value is None:
        parts.append(heads.NULL)
    elif kind is bool:
        parts.append(heads.TRUE if value else heads.FALSE)
    elif kind is tuple or kind is list:
        assert isinstance(value, tuple | list)
        if depth <= 0:
            raise Unencodable(_WHERE, "too deep")
        parts.append(heads.head(heads.ARRAY, len(value)))
        for item in value:
            _write(item, parts, depth - 1)
    else:
        raise Unencodable(_WHERE, f"{kind.__name__} has no encoding")


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    first = data[at]
    major = first >> 5
    if major == heads.UNSIGNED or major == heads.NEGATIVE:
        return heads.read_integer(data, at, _WHERE)
    if major == heads.BYTES or major == heads.TEXT:
        length, at = heads.read_number(data, at, major, _WHERE)
        end = at + length
        if end > len(data):
            raise Malformed(_WHERE, "the data ends early")
        content = data[at:end]
        if major == heads.BYTES:
            return content, end
        return heads.text(content, _WHERE), end
    if major == heads.ARRAY:
        if depth <= 0:
            raise Malformed(_WHERE, "too deep")
        count, at = heads.read_number(data, at, major, _WHERE)
        items = []
        for _ in range(count):
            item, at = _read(data, at, depth - 1)
            items.append(item)
        return items, at
    if first == 0xF4 or first == 0xF5:
        return first == 0xF5, at + 1
    if first == 0xF6:
        return None, at + 1
    raise Malformed(_WHERE, f"items starting with 0x{first:02x} are not used")
