"""
What a blob's name commits to: its size, and the hash of each of its segments (B1).

So a part can be checked on its own, without any key and without the rest. A manifest is
``size (8 bytes, big-endian) ‖ SHA-256 of segment 0 ‖ …``: its length follows from the size, there is one
encoding, and the blob's name is the hash of it.
"""

from dataclasses import dataclass

from noded.codec.errors import Malformed
from noded.crypto.hashing import HASH_BYTES, hasher, tagged_hash
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.types.medical import CiphertextHash

SEGMENTS_MAX = 16_384
"""1 GiB of content; its manifest of 0.5 MiB fits one frame of the bulk lane (1 MiB)."""

BLOB_BYTES_MAX = SEGMENTS_MAX * SEALED_SEGMENT_BYTES

_SIZE_BYTES = 8
MANIFEST_BYTES_MAX = _SIZE_BYTES + SEGMENTS_MAX * HASH_BYTES

hash_segment = hasher("noded/blob-segment/1")
"""The hash of a sealed segment, as it stands in the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A blob's size and the hashes of its segments."""

    size: int
    """Bytes of ciphertext, without the manifest; 1 … BLOB_BYTES_MAX."""
    hashes: bytes
    """HASH_BYTES for each segment, in order."""

    def __post_init__(self) -> None:
        if not 1 <= self.size <= BLOB_BYTES_MAX:
            raise Malformed("Manifest.size", "out of range")
        if len(self.hashes) != HASH_BYTES * self.segments:
            raise Malformed("Manifest.hashes", "there must be one for each segment")

    @property
    def segments(self) -> int:
        """How many segments the blob has."""
        return count_segments(self.size)

    @property
    def name(self) -> CiphertextHash:
        """The blob's name."""
        return CiphertextHash(tagged_hash("noded/blob/1", self.encode()))

    def segment_bytes(self, segment: int) -> int:
        """The length of a segment: SEALED_SEGMENT_BYTES, or what is left for the last one."""
        assert 0 <= segment < self.segments
        return min(SEALED_SEGMENT_BYTES, self.size - segment * SEALED_SEGMENT_BYTES)

    def is_segment(self, segment: int, data: bytes) -> bool:
        """Whether these are the segment's bytes."""
        expected = self.hashes[segment * HASH_BYTES : (segment + 1) * HASH_BYTES]
        return len(data) == self.segment_bytes(segment) and hash_segment(data) == expected

    def encode(self) -> bytes:
        """The one encoding."""
        return self.size.to_bytes(_SIZE_BYTES) + self.hashes


def decode_manifest(data: bytes) -> Manifest:
    """
    The manifest of which these bytes are the encoding.

    Raises:
        Malformed: There is none.
    """
    if len(data) < _SIZE_BYTES:
        raise Malformed("Manifest", "the data ends early")
    return Manifest(size=int.from_bytes(data[:_SIZE_BYTES]), hashes=data[_SIZE_BYTES:])


def count_segments(size: int) -> int:
    """How many segments this many bytes of ciphertext make."""
    return -(-size // SEALED_SEGMENT_BYTES)


def manifest_bytes(size: int) -> int:
    """The length of the manifest of a blob with this many bytes of ciphertext."""
    return _SIZE_BYTES + count_segments(size) * HASH_BYTES
