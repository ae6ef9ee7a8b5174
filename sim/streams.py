"""
Random numbers by counter: a draw depends on its key and its number, never on who drew before.

A stream is named by (seed, purpose, parts…), so one more draw in one place does not shift any other place, and two
scenarios with the same seed share the draws of everything that they have in common.
"""

from bisect import bisect_right
from hashlib import blake2b
from itertools import accumulate
from math import log1p
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
"""2^64 / golden ratio, odd: the counter's step (Steele, Lea, Flood: SplitMix64)."""
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB

_GOLDEN = np.uint64(GOLDEN)
_MIX_1 = np.uint64(MIX_1)
_MIX_2 = np.uint64(MIX_2)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


def stream_key(seed: int, purpose: str, *parts: int) -> int:
    """The 64-bit key of a stream; streams with different names have independent keys."""
    text = "/".join((str(seed), purpose, *map(str, parts)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def mix(value: int) -> int:
    """SplitMix64's finaliser of a 64-bit number."""
    value = ((value ^ (value >> 30)) * MIX_1) & MASK
    value = ((value ^ (value >> 27)) * MIX_2) & MASK
    return value ^ (value >> 31)


def mix_array(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`mix` of each number; the argument is overwritten."""
    values ^= values >> _S30
    values *= _MIX_1
    values ^= values >> _S27
    values *= _MIX_2
    values ^= values >> _S31
    return values


class Stream:
    """Draws of one purpose, in order."""

    __slots__ = ("_count", "_key")

    def __init__(self, seed: int, purpose: str, *parts: int) -> None:
        self._key = stream_key(seed, purpose, *parts)
        self._count = 0

    def bits(self) -> int:
        """64 random bits."""
        self._count += 1
        return mix((self._key + self._count * GOLDEN) & MASK)

    def below(self, bound: int) -> int:
        """A number in 0 … bound − 1, uniform to within bound / 2^64."""
        assert bound > 0
        return (self.bits() * bound) >> 64

    def between(self, low: int, high: int) -> int:
        """A number in low … high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with this probability."""
        return self.below(denominator) < numerator

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return (self.bits() >> 11) / (1 << 53)

    def exponential(self, mean: float) -> float:
        """An exponentially distributed number."""
        return -mean * log1p(-self.fraction())

    def choice(self, items: list[T] | tuple[T, ...]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def weighted(self, weights: list[int]) -> int:
        """An index, drawn in proportion to its weight."""
        sums = list(accumulate(weights))
        return bisect_right(sums, self.below(sums[-1]))

    def sample(self, items: list[T] | tuple[T, ...], size: int) -> list[T]:
        """`size` different items, in random order."""
        pool = list(items)
        assert size <= len(pool)
        for index in range(size):
            other = index + self.below(len(pool) - index)
            pool[index], pool[other] = pool[other], pool[index]
        return pool[:size]

    def bytes(self, size: int) -> bytes:
        """Random bytes."""
        words = b"".join([self.bits().to_bytes(8, "big") for _ in range((size + 7) // 8)])
        return words[:size]


class LinkStreams:
    """
    One stream per directed link among `count` nodes: the k-th draw of a link is the same whatever happens on others.

    The scalar and the array form draw from the same streams.
    """

    __slots__ = ("_count", "_counters", "_keys", "_seed_key", "_singles")

    def __init__(self, seed: int, purpose: str, count: int) -> None:
        self._seed_key = stream_key(seed, purpose)
        self._count = count
        self._keys: list[NDArray[np.uint64] | None] = [None] * count
        self._counters: list[NDArray[np.uint64] | None] = [None] * count
        self._singles: list[tuple[memoryview, memoryview] | None] = [None] * count
        """Views of both, for one link at a time: their elements are read and written as Python's integers."""

    def draw(self, source: int, targets: NDArray[np.int64]) -> NDArray[np.uint64]:
        """64 random bits for each of the links from `source` to `targets`, which are all different."""
        keys, counters = self._keys[source], self._counters[source]
        if keys is None or counters is None:
            keys, counters = self._open(source)
        counts = counters[targets]
        counts += _GOLDEN
        counters[targets] = counts
        counts += keys[targets]
        return mix_array(counts)

    def draw_one(self, source: int, target: int) -> int:
        """64 random bits for one link."""
        single = self._singles[source]
        if single is None:
            self._open(source)
            single = self._singles[source]
            assert single is not None
        keys, counters = single
        counters[target] = count = (counters[target] + GOLDEN) & MASK
        return mix((count + keys[target]) & MASK)

    def _open(self, source: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        base = mix((self._seed_key + source * GOLDEN) & MASK)
        keys = np.arange(self._count, dtype=np.uint64)
        keys *= _GOLDEN
        keys += np.uint64(base)
        keys = mix_array(keys)
        counters = np.zeros(self._count, dtype=np.uint64)
        self._keys[source], self._counters[source] = keys, counters
        self._singles[source] = keys.data, counters.data
        return keys, counters
