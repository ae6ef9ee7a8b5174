"""Buckets kept at hand: what is said of one is what was last changed or read, within a number of bytes."""

import random

from noded.crypto.hashing import ZERO_HASH
from noded.crypto.sparse_merkle import BUCKETS
from noded.ops.buckets import BucketCache

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


def test_it_never_grows_beyond_its_limit() -> None:
    """Whatever was dropped is read again, and is right."""
    reads = Reads()
    cache = BucketCache(HASH * BUCKETS, reads, limit=10_000)
    chosen = random.Random(1)
    for _ in range(2_000):
        bucket = chosen.randrange(BUCKETS)
        assert cache.get(bucket) == bucket.to_bytes(32) + HASH
        assert cache.size <= 10_000

    assert cache.size > 9_000


def test_one_bucket_larger_than_the_limit_is_not_kept() -> None:
    cache = BucketCache(ZERO_HASH * BUCKETS, Reads(), limit=100)
    cache.update({5: LEAF * 10})

    assert cache.size == 0
