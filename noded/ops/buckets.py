"""Buckets of the state's tree kept at hand: a block changes hundreds, and each costs the store a search."""

from array import array
from collections.abc import Callable, Mapping
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Final

from noded.crypto.hashing import HASH_BYTES, ZERO_HASH
from noded.crypto.sparse_merkle import LEAF_BYTES

BUCKET_CACHE_BYTES: Final = 16 * 1024 * 1024
"""All leaves of a state of 200,000 keys; of a larger one a part."""

_PAGE_BITS: Final = 14
PAGE_BYTES: Final = 1 << _PAGE_BITS
"""Cut into places of one size; what one holds goes when it is needed for another. A bucket of more is not kept."""

_UNKNOWN: Final = -1
_EMPTY: Final = -2


class BucketCache:
    """
    The leaves of buckets that were read or changed, side by side, in one piece of memory.

    As objects of their own they move from one allocator's size to the next as the state grows, and the holes that they
    leave are never given back: 30 MB at a million keys.
    """

    def __init__(self, roots: bytes, read: Callable[[int], bytes], limit: int = BUCKET_CACHE_BYTES) -> None:
        """
        Begin with what the roots tell.

        Args:
            roots: Of all buckets, side by side: nothing needs to be read of an empty one.
            read: Gives the leaves of a bucket that is not at hand.
            limit: Bytes that may be in use; whole pages.
        """
        assert limit % PAGE_BYTES == 0
        self._read = read
        self._memory = mmap(-1, limit, MAP_PRIVATE | MAP_ANONYMOUS)
        self._sizes = [0] * (limit >> _PAGE_BITS)
        """Of the places on each page."""
        self._free: dict[int, dict[int, None]] = {}
        """Places that hold nothing, by size."""
        self._holds = array("H", bytes(2 * (limit // LEAF_BYTES)))
        """The bucket in each place that is not free, by the place's first leaf."""
        self._places = array(
            "i",
            [
                _EMPTY if roots[at : at + HASH_BYTES] == ZERO_HASH else _UNKNOWN
                for at in range(0, len(roots), HASH_BYTES)
            ],
        )
        """Where each bucket is."""
        self._hand = 0

    def get(self, bucket: int) -> bytes:
        """The leaves of a bucket."""
        at = self._places[bucket]
        if at >= 0:
            return self._memory[at : at + self._sizes[at >> _PAGE_BITS]]
        if at == _EMPTY:
            return b""
        leaves = self._read(bucket)
        self._place(bucket, leaves)
        return leaves

    def update(self, changed: Mapping[int, bytes]) -> None:
        """These buckets have these leaves now; others make room, in turn: any may be next to be asked for."""
        for bucket, leaves in changed.items():
            at = self._places[bucket]
            if at >= 0:
                size = self._sizes[at >> _PAGE_BITS]
                if size == len(leaves):
                    self._memory[at : at + size] = leaves
                    continue
                self._free[size][at] = None
            self._place(bucket, leaves)

    def _place(self, bucket: int, leaves: bytes) -> None:
        size = len(leaves)
        if not 0 < size <= PAGE_BYTES:
            self._places[bucket] = _UNKNOWN if size else _EMPTY
            return
        at, _ = (self._free.get(size) or self._page_of(size)).popitem()
        self._memory[at : at + size] = leaves
        self._holds[at // LEAF_BYTES] = bucket
        self._places[bucket] = at

    def _page_of(self, size: int) -> dict[int, None]:
        """Cut the page that was cut longest ago into places of this size; returns all free ones."""
        page = self._hand
        self._hand = (page + 1) % len(self._sizes)
        first, before = page << _PAGE_BITS, self._sizes[page]
        if before:
            free = self._free[before]
            for at in _cut(first, before):
                if at in free:
                    del free[at]
                else:
                    self._places[self._holds[at // LEAF_BYTES]] = _UNKNOWN
        self._sizes[page] = size
        places = self._free.setdefault(size, {})
        places.update(dict.fromkeys(_cut(first, size)))
        return places


def _cut(first: int, size: int) -> range:
    """The places of a size on the page that begins here."""
    return range(first, first + PAGE_BYTES - size + 1, size)
