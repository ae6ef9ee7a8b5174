"""
How the roots of the 65,536 buckets are kept: a blob of all of them now and then, and what each block changed.

A row for each node of the tree would be sixteen random writes a key; this is one short row a block.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from noded.crypto.hashing import HASH_BYTES
from noded.crypto.sparse_merkle import BUCKETS

BASE_INTERVAL: Final = 256
"""
Blocks from one whole blob to the next.

A blob of 2 MiB then costs 8 KiB a block, less than a block's own rows; start-up reads it and at most 256 deltas
of about 20 KiB (600 buckets of 34 bytes).
"""

DELTA_BYTES: Final = 2 + HASH_BYTES
"""A bucket's number, big-endian, and its root."""


def encode_delta(roots: Iterable[tuple[int, bytes]]) -> bytes:
    """Compact form of the roots that changed."""
    return b"".join(bucket.to_bytes(2, "big") + root for bucket, root in roots)


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
        for delta in deltas:
            if len(delta) % DELTA_BYTES:
                return False
            self._apply_encoded(delta)
        return True

    def apply(self, roots: Sequence[tuple[int, bytes]]) -> None:
        """Set new roots."""
        mine = self._roots
        for bucket, root in roots:
            mine[bucket << 5 : (bucket + 1) << 5] = root

    def with_applied(self, roots: Sequence[tuple[int, bytes]]) -> bytes:
        """The whole blob as it will be with these roots."""
        copy = BucketRoots()
        copy._roots[:] = self._roots
        copy.apply(roots)
        return copy.blob()

    def blob(self) -> bytes:
        """The roots of all buckets, side by side."""
        return bytes(self._roots)

    def _apply_encoded(self, delta: bytes) -> None:
        mine = self._roots
        for start in range(0, len(delta), DELTA_BYTES):
            bucket = int.from_bytes(delta[start : start + 2], "big")
            mine[bucket << 5 : (bucket + 1) << 5] = delta[start + 2 : start + DELTA_BYTES]
