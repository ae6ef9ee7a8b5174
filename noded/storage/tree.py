"""
How the roots of the 65,536 buckets are kept: a blob of all of them now and then, and what each block changed.

A row for each node of the tree would be sixteen random writes a key; this is one short row a block.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final

from noded.crypto.hashing import HASH_BYTES
from noded.crypto.sparse_merkle import BUCKETS

DELTA_ENTRIES_MAX: Final = 32_768
"""
Changed roots since the last blob before another is due.

Start-up reads the blob and at most these, 1 MiB, in about 20 ms; and so does the commit that writes the next blob. A
changed root costs 64 bytes of blob and 34 of delta, where the page of its key's row costs 4 KiB.
"""

_ENTRY: Final = Struct(f">H{HASH_BYTES}s")

DELTA_BYTES: Final = _ENTRY.size
"""A bucket's number, big-endian, and its root."""


def encode_delta(roots: Iterable[tuple[int, bytes]]) -> bytes:
    """Compact form of the roots that changed."""
    return b"".join([_ENTRY.pack(*pair) for pair in roots])


class BucketRoots:
    """The roots of all buckets, in memory; 2 MiB."""

    def __init__(self) -> None:
        self._roots = bytearray(BUCKETS * HASH_BYTES)

    def load(self, base: bytes, deltas: Iterable[bytes]) -> bool:
        """Read what was kept, deltas ascending by height; False if it cannot be."""
        if len(base) not in (0, len(self._roots)):
            return False
        if base:
            self._roots[:] = base
        mine = self._roots
        for delta in deltas:
            if len(delta) % DELTA_BYTES:
                return False
            for bucket, root in _ENTRY.iter_unpack(delta):
                mine[bucket << 5 : (bucket << 5) + HASH_BYTES] = root
        return True

    def apply(self, roots: Sequence[tuple[int, bytes]]) -> None:
        """Set new roots."""
        mine = self._roots
        for bucket, root in roots:
            mine[bucket << 5 : (bucket << 5) + HASH_BYTES] = root

    def blob(self) -> bytes:
        """The roots of all buckets, side by side."""
        return bytes(self._roots)
