"""
The write-ahead log's bytes.

    segment   header, then frames to the end of the file
    header    magic · sequence · key · chain id · digest
    frame     marker · length of the body · digest of the body · digest of the place and the three · body
    body      records: kind · until · length · payload

A frame is what one call appended and one fsync made durable, so all frames but the last were durable once. Digests are
keyed with random bytes of the segment, and one covers the place: neither stale bytes of another file, nor a frame that a peer
put into a payload, pass for a frame here.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from noded.crypto.hashing import HASH_BYTES

MAGIC: Final = b"noded-wal\x01"
KEY_BYTES: Final = 16
_DIGEST_BYTES: Final = 16
_HEADER: Final = struct.Struct(f">{len(MAGIC)}sQ{KEY_BYTES}s{HASH_BYTES}s")
HEADER_BYTES: Final = _HEADER.size + _DIGEST_BYTES

_MARKER_BYTES: Final = 8
_CHECK_BYTES: Final = 8
_FRAME: Final = struct.Struct(f">{_MARKER_BYTES}sI{_DIGEST_BYTES}s")
FRAME_HEADER_BYTES: Final = _FRAME.size + _CHECK_BYTES

_RECORD: Final = struct.Struct(">BQI")
RECORD_HEADER_BYTES: Final = _RECORD.size

BODY_BYTES_MAX: Final = 1 << 30
"""Records of one step: a node holds far less than 1 GiB in memory."""

UNTIL_MAX: Final = (1 << 64) - 1

_SECTOR_BYTES: Final = 512
"""What a disk writes whole or not at all."""


class WalRecord(NamedTuple):
    """One entry of the log."""

    kind: int
    """What the payload is; one byte, the caller's."""
    until: int
    """The record may be forgotten once the caller's floor (a height) is above this."""
    payload: bytes


class BadHeader(Exception):
    """The segment does not begin as it must; says why."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment's file says of itself."""

    sequence: int
    key: bytes
    """Random bytes of this segment's own."""
    chain_id: bytes

    def encode(self) -> bytes:
        """The first bytes of the file."""
        fields = _HEADER.pack(MAGIC, self.sequence, self.key, self.chain_id)
        return fields + blake2b(fields, digest_size=_DIGEST_BYTES).digest()


def decode_header(data: bytes) -> SegmentHeader:
    """
    The header at the start of a segment's bytes.

    Raises:
        BadHeader: It is damaged, or the file is none of ours.
    """
    if not data.startswith(MAGIC):
        raise BadHeader("it does not begin as a log of this program")
    if data[_HEADER.size : HEADER_BYTES] != blake2b(data[: _HEADER.size], digest_size=_DIGEST_BYTES).digest():
        raise BadHeader("its header is damaged")
    _, sequence, key, chain_id = _HEADER.unpack_from(data)
    return SegmentHeader(sequence, key, chain_id)


class FrameCodec:
    """Writes and finds the frames of one segment."""

    def __init__(self, key: bytes) -> None:
        """For the segment with this key."""
        self._key = key
        self._marker = blake2b(key=key, digest_size=_MARKER_BYTES, person=b"marker").digest()

    def encode(self, offset: int, records: Sequence[WalRecord]) -> bytes:
        """The frame for these records at this place in the file."""
        parts: list[bytes] = []
        for kind, until, payload in records:
            parts += (_RECORD.pack(kind, until, len(payload)), payload)
        body = b"".join(parts)
        assert len(body) <= BODY_BYTES_MAX
        head = _FRAME.pack(self._marker, len(body), self._body_digest(body))
        return b"".join((head, self._check(offset, head), body))

    def frame_end(self, data: bytes, offset: int) -> int | None:
        """Where the intact frame at this place ends; None if there is none."""
        length = self._length(data, offset)
        if length is None:
            return None
        start = offset + FRAME_HEADER_BYTES
        body = data[start : start + length]
        _, _, digest = _FRAME.unpack_from(data, offset)
        if len(body) != length or self._body_digest(body) != digest:
            return None
        return start + length

    def records(self, data: bytes, offset: int, end: int) -> Iterator[WalRecord]:
        """The records of the intact frame from `offset` to `end`."""
        place = offset + FRAME_HEADER_BYTES
        while place < end:
            kind, until, length = _RECORD.unpack_from(data, place)
            place += RECORD_HEADER_BYTES
            yield WalRecord(kind, until, data[place : place + length])
            place += length

    def is_followed(self, data: bytes, offset: int) -> bool:
        """Whether an intact frame begins anywhere after this place."""
        candidate = data.find(self._marker, offset + 1)
        while candidate >= 0:
            if self.frame_end(data, candidate) is not None:
                return True
            candidate = data.find(self._marker, candidate + 1)
        return False

    def is_unfinished(self, data: bytes, offset: int) -> bool:
        """
        Whether the bytes from this place on are a frame whose writing was interrupted.

        Such a write leaves a file that ends too soon, or whole sectors that were never written, which read as
        zeros. A frame that is all there and yet wrong was damaged later.
        """
        remaining = len(data) - offset
        if remaining < FRAME_HEADER_BYTES:
            return True
        length = self._length(data, offset)
        if length is not None and remaining < FRAME_HEADER_BYTES + length:
            return True
        start = offset
        while start < len(data):
            end = min(start - start % _SECTOR_BYTES + _SECTOR_BYTES, len(data))
            if not data[start:end].strip(b"\0"):
                return True
            start = end
        return False

    def _length(self, data: bytes, offset: int) -> int | None:
        """Length of the body by the intact frame header at this place; None if that is not intact."""
        if len(data) - offset < FRAME_HEADER_BYTES:
            return None
        head = data[offset : offset + _FRAME.size]
        if data[offset + _FRAME.size : offset + FRAME_HEADER_BYTES] != self._check(offset, head):
            return None
        marker, length, _ = _FRAME.unpack(head)
        return int(length) if marker == self._marker else None

    def _check(self, offset: int, head: bytes) -> bytes:
        place = offset.to_bytes(8, "big")
        return blake2b(place + head, key=self._key, digest_size=_CHECK_BYTES, person=b"head").digest()

    def _body_digest(self, body: bytes) -> bytes:
        return blake2b(body, key=self._key, digest_size=_DIGEST_BYTES, person=b"body").digest()
