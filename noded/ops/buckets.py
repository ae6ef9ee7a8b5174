"""Buckets of the state's tree kept at hand: a block changes hundreds, and each costs the store a search."""

from collections.abc import Callable, Mapping
from typing import Final

from noded.crypto.hashing import HASH_BYTES, ZERO_HASH

BUCKET_CACHE_BYTES: Final = 16 * 1024 * 1024
"""All leaves of a state of 200,000 keys; of a larger one a part."""

_EACH_BYTES: Final = 48
"""What Python adds to the bytes of a bucket."""


class BucketCache:
    """The leaves of buckets that were read or changed, side by side; never more than so many bytes."""

    def __init__(self, roots: bytes, read: Callable[[int], bytes], limit: int = BUCKET_CACHE_BYTES) -> None:
        """
        Begin with what the roots tell.

        Args:
            roots: Of all buckets, side by side: nothing needs to be read of an empty one.
            read: Gives the leaves of a bucket that is not at hand.
            limit: Bytes that may be in use.
        """
        self._read = read
        self._limit = limit
        self._kept: list[bytes | None] = [
            b"" if roots[at : at + HASH_BYTES] == ZERO_HASH else None
            for at in range(0, len(roots), HASH_BYTES)
        ]
        self._hand = 0
        self.size = 0
        """Bytes in use."""

    def get(self, bucket: int) -> bytes:
        """The leaves of a bucket."""
        kept = self._kept[bucket]
        if kept is None:
            kept = self._read(bucket)
            self.update({bucket: kept})
        return kept

    def update(self, changed: Mapping[int, bytes]) -> None:
        """These buckets have these leaves now; others make room, in turn: any may be next to be asked for."""
        kept = self._kept
        for bucket, leaves in changed.items():
            before = kept[bucket]
            if before:
                self.size -= len(before) + _EACH_BYTES
            if leaves:
                self.size += len(leaves) + _EACH_BYTES
            kept[bucket] = leaves
        while self.size > self._limit:
            dropped = kept[self._hand]
            if dropped:
                self.size -= len(dropped) + _EACH_BYTES
                kept[self._hand] = None
            self._hand = (self._hand + 1) % len(kept)
