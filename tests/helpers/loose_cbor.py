"""CBOR that a lenient decoder would take: the same values with longer heads, indefinite lengths and tags."""

from collections.abc import Iterator
from typing import Any

from noded.codec import heads


def long_heads(major: int, number: int) -> Iterator[bytes]:
    """Every head of this number that is longer than the shortest."""
    shortest = heads.head(major, number)
    for low, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if 1 + width > len(shortest):
            yield bytes((major << 5 | low,)) + number.to_bytes(width)


def loose_encodings(value: Any) -> Iterator[bytes]:
    """Encodings of a plain value with one defect each, at every place of the value."""
    strict = b"".join(_strict(value))
    yield b"\xd9\xd9\xf7" + strict
    yield b"\xd8\x1c" + strict
    match value:
        case bool() | None:
            yield b"\xf8" + strict
        case int():
            major, number = (heads.UNSIGNED, value) if value >= 0 else (heads.NEGATIVE, -1 - value)
            yield from long_heads(major, number)
            yield bytes((0xC2 + (value < 0),)) + b"".join(_strict(number.to_bytes(8).lstrip(b"\0")))
        case bytes() | str():
            content = value if isinstance(value, bytes) else value.encode()
            major = heads.BYTES if isinstance(value, bytes) else heads.TEXT
            yield from (head + content for head in long_heads(major, len(content)))
            yield bytes((major << 5 | 31,)) + strict + b"\xff"
        case tuple() | list():
            yield from (head + b"".join(map(_joined, value)) for head in long_heads(heads.ARRAY, len(value)))
            yield b"\x9f" + b"".join(map(_joined, value)) + b"\xff"
            for index, item in enumerate(value):
                before = heads.head(heads.ARRAY, len(value)) + b"".join(map(_joined, value[:index]))
                after = b"".join(map(_joined, value[index + 1 :]))
                yield from (before + loose + after for loose in loose_encodings(item))


def _joined(value: Any) -> bytes:
    return b"".join(_strict(value))


def _strict(value: Any) -> Iterator[bytes]:
    match value:
        case bool():
            yield heads.TRUE if value else heads.FALSE
        case None:
            yield heads.NULL
        case int():
            yield heads.integer(value)
        case bytes():
            yield heads.head(heads.BYTES, len(value)) + value
        case str():
            yield heads.head(heads.TEXT, len(value.encode())) + value.encode()
        case tuple() | list():
            yield heads.head(heads.ARRAY, len(value))
            for item in value:
                yield from _strict(item)
