"""
Content of any length, encrypted in segments of 64 KiB, each of which can be read without the others (H4).

Every segment is sealed with its number and whether it is the last, and with record and version, so none can
be dropped, repeated, moved, cut off or brought in from elsewhere. Nonces are the numbers: **a key is for one
content only**; whoever seals other content takes a fresh one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from noded.crypto.errors import Undecryptable

SEGMENT_BYTES = 64 * 1024
"""Content of a segment; all but the last have exactly this. The tag adds 0.02 %."""

TAG_BYTES = 16

SEALED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES

KEY_BYTES = 32

_DOMAIN = b"noded/segment/1"
_NONCE_BYTES = 12


class Cipher(IntEnum):
    """How segments are encrypted."""

    AES_256_GCM = 1
    """Where the processor has AES instructions."""
    CHACHA20_POLY1305 = 2
    """Where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """One version of one record, under a key of its own."""

    key: bytes = field(repr=False)
    """32 random bytes, for this content only."""
    record: bytes
    version: int
    cipher: Cipher = Cipher.AES_256_GCM

    def seal(self, content: Iterable[bytes]) -> Iterator[bytes]:
        """The sealed segments of a content that comes in pieces of any size; empty content is one empty segment."""
        aead = self._aead()
        held = bytearray()
        index = 0
        for piece in content:
            held += piece
            start = 0
            while len(held) - start > SEGMENT_BYTES:
                yield self._sealed(aead, index, bytes(held[start : start + SEGMENT_BYTES]), is_last=False)
                start += SEGMENT_BYTES
                index += 1
            del held[:start]
        yield self._sealed(aead, index, bytes(held), is_last=True)

    def open(self, index: int, sealed: bytes, *, is_last: bool) -> bytes:
        """
        The content of segment `index`, counted from 0.

        Whoever reads a content to its end must see one segment with `is_last`; else it may be cut off.

        Raises:
            Undecryptable: It is not this segment of this content.
        """
        nonce, context = self._place(index, is_last=is_last)
        try:
            return self._aead().decrypt(nonce, sealed, context)
        except InvalidTag:
            raise Undecryptable(f"segment {index}") from None

    def _sealed(self, aead: AESGCM | ChaCha20Poly1305, index: int, part: bytes, *, is_last: bool) -> bytes:
        nonce, context = self._place(index, is_last=is_last)
        return aead.encrypt(nonce, part, context)

    def _aead(self) -> AESGCM | ChaCha20Poly1305:
        assert len(self.key) == KEY_BYTES
        return AESGCM(self.key) if self.cipher is Cipher.AES_256_GCM else ChaCha20Poly1305(self.key)

    def _place(self, index: int, *, is_last: bool) -> tuple[bytes, bytes]:
        """The nonce and the associated data of a segment."""
        place = index.to_bytes(8)
        context = (
            _DOMAIN,
            len(self.record).to_bytes(1),
            self.record,
            self.version.to_bytes(8),
            place,
            bytes((is_last,)),
        )
        return place.rjust(_NONCE_BYTES, b"\0"), b"".join(context)


def count_segments(size: int) -> int:
    """How many segments a content of `size` bytes has; one for none."""
    return max(1, -(-size // SEGMENT_BYTES))


def sealed_bytes(size: int) -> int:
    """The size of all sealed segments of a content of `size` bytes."""
    return size + TAG_BYTES * count_segments(size)
