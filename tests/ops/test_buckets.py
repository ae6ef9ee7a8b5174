"""Buckets kept at hand: what is said of one is what was last changed or read, within a number of bytes."""

import random

from noded.crypto.hashing import ZERO_HASH
from noded.crypto.sparse_merkle import BUCKETS
from noded.ops.buckets import PAGE_BYTES, BucketCache

HASH = b"r" * 32
LEAF = b"p" * 32 + b"l" * 32


class Reads:
    """A store of buckets that counts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, bucket: int) -> bytes:
        """One leaf, by which the bucket can be told."""
        self.asked.append(bucket)
        return bucket.to_bytes(32) + HASH


def test_a_bucket_is_read_once() -> None:
    reads = Reads()
    cache = BucketCache(HASH * BUCKETS, reads)

    assert [cache.get(7), cache.get(7), cache.get(9)] == [reads(7), reads(7), reads(9)]
    assert reads.asked[:2] == [7, 9]


def test_an_empty_bucket_is_not_read() -> None:
    reads = Reads()
    cache = BucketCache(HASH + ZERO_HASH * (BUCKETS - 1), reads)

    assert cache.get(5) == b""
    assert reads.asked == []


def test_what_was_changed_is_what_is_there() -> None:
    reads = Reads()
    cache = BucketCache(ZERO_HASH * BUCKETS, reads)
    cache.get(3)
    cache.update({3: LEAF, 4: LEAF})
    cache.update({4: b""})

    assert (cache.get(3), cache.get(4)) == (LEAF, b"")
    assert reads.asked == []


def test_whatever_the_sizes_it_tells_what_is_there() -> None:
    """A state that grows, shrinks and is far larger than the limit: what was dropped is read again, and is right."""
    state: dict[int, bytes] = {}
    reads = 0

    def read(bucket: int) -> bytes:
        nonlocal reads
        reads += 1
        return state[bucket]

    cache = BucketCache(ZERO_HASH * BUCKETS, read, limit=2 * PAGE_BYTES)
    chosen = random.Random(1)
    for _ in range(5_000):
        bucket = chosen.randrange(100)
        state[bucket] = chosen.randbytes(64 * chosen.choice([0, 1, 2, 3, 20, 256, 257]))
        cache.update({bucket: state[bucket]})
        other = chosen.randrange(100)
        assert cache.get(other) == state.get(other, b"")
    assert 500 < reads < 5_000


def test_what_fits_is_not_read_again() -> None:
    """As many buckets of one size as the limit has room for, and then of another size."""
    reads = Reads()
    cache = BucketCache(HASH * BUCKETS, reads, limit=2 * PAGE_BYTES)
    room = 2 * PAGE_BYTES // len(LEAF)
    for _ in range(2):
        assert [cache.get(bucket) for bucket in range(room)] == [reads(bucket) for bucket in range(room)]
    assert len(reads.asked) == 3 * room

    cache.update(dict.fromkeys(range(room // 2), LEAF + LEAF))
    assert [cache.get(bucket) for bucket in range(room // 2)] == [LEAF + LEAF] * (room // 2)
    assert len(reads.asked) == 3 * room
