"""
Heads of CBOR items: the first bytes, which hold an item's kind and its number or length.

Every head here is the shortest one for its number (RFC 8949 §4.2.1). A head that is longer than needed is
refused, so an item made of these heads has one encoding only and needs no comparison with a re-encoding.
"""

from noded.codec.errors import Malformed, Unencodable

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY = range(5)
"""Major types in use; maps, tags, floats and other simple values have no place in this protocol."""

FALSE, TRUE, NULL = b"\xf4", b"\xf5", b"\xf6"

_LONG = {25: (3, 1 << 8), 26: (5, 1 << 16), 27: (9, 1 << 32)}
"""Size of a long head, and the least number that needs it."""

INT_MIN, INT_MAX = -(1 << 63), (1 << 64) - 1
"""Integers that fit 64 bits, signed or unsigned."""


def head(major: int, number: int) -> bytes:
    """The shortest head of this major type and number; `number` must be 0…2^64−1."""
    first = major << 5
    if number < 24:
        return bytes((first | number,))
    if number < 1 << 8:
        return bytes((first | 24, number))
    if number < 1 << 16:
        return bytes((first | 25,)) + number.to_bytes(2)
    if number < 1 << 32:
        return bytes((first | 26,)) + number.to_bytes(4)
    return bytes((first | 27,)) + number.to_bytes(8)


SMALL = tuple(head(UNSIGNED, n) for n in range(256))
"""Heads of the commonest integers, looked up instead of computed."""


def integer(value: int) -> bytes:
    """The encoding of an integer in INT_MIN…INT_MAX."""
    if 255 < value < 1 << 16:  # Heights, days and sizes mostly are.
        return b"\x19" + value.to_bytes(2)
    return head(UNSIGNED, value) if value >= 0 else head(NEGATIVE, -1 - value)


def read_number(data: bytes, at: int, major: int, where: str) -> tuple[int, int]:
    """
    Read a head of this major type.

    Returns:
        Its number and the index after it.

    Raises:
        Malformed: There is another kind of item, the head is not the shortest, or the data ends in it.
        IndexError: The data ends before it.
    """
    low = data[at] - (major << 5)
    if low == 24:
        number = data[at + 1]
        if number < 24:
            raise Malformed(where, "not the shortest encoding")
        return number, at + 2
    if low in _LONG:
        size, least = _LONG[low]
        end = at + size
        if end > len(data):
            raise Malformed(where, "the data ends early")
        number = int.from_bytes(data[at + 1 : end])
        if number < least:
            raise Malformed(where, "not the shortest encoding")
        return number, end
    if 0 <= low < 24:
        return low, at + 1
    raise Malformed(where, "another kind of item was expected")


def read_integer(data: bytes, at: int, where: str) -> tuple[int, int]:
    """Read an integer in INT_MIN…INT_MAX; raises as `read_number` does."""
    if data[at] >> 5 != NEGATIVE:
        return read_number(data, at, UNSIGNED, where)
    number, at = read_number(data, at, NEGATIVE, where)
    if number >= 1 << 63:
        raise Malformed(where, "below 64 bits")
    return -1 - number, at


def utf8(value: str, where: str) -> bytes:
    """The bytes of a text; raises `Unencodable` for lone surrogates."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise Unencodable(where, "text has no UTF-8") from None


def text(content: bytes, where: str) -> str:
    """The text of which these are the bytes; raises `Malformed` if they are not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Malformed(where, "text is not UTF-8") from None
