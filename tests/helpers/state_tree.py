"""The state tree as its definition says, digit by digit; and states and paths for tests of it."""

import random

from hypothesis import strategies as st

from noded.crypto.hashing import ZERO_HASH, tagged_hash
from noded.crypto.sparse_merkle import Leaf, bucket_of, bucket_root, leaf_of, pack_leaves, path_of


def naive_bucket(leaves: list[Leaf], digit: int) -> bytes:
    """The root over leaves that agree in their first `digit` digits, below the upper levels."""
    if not leaves:
        return ZERO_HASH
    if len(leaves) <= 64:
        return tagged_hash("noded/state-bucket/1", b"".join(path + leaf for path, leaf in leaves))
    return tagged_hash(
        "noded/state-fan/1", b"".join(naive_bucket(x, digit + 1) for x in _parts(leaves, digit))
    )


def naive_root(state: dict[bytes, bytes]) -> bytes:
    """The root of a state: keys and values."""

    def upper(part: list[Leaf], digit: int) -> bytes:
        if not part:
            return ZERO_HASH
        if digit == 4:
            return naive_bucket(part, 4)
        return tagged_hash("noded/state-fan/1", b"".join(upper(x, digit + 1) for x in _parts(part, digit)))

    return upper(sorted((path_of(key), leaf_of(value)) for key, value in state.items()), 0)


def bucket_leaves(state: dict[bytes, bytes]) -> dict[int, bytes]:
    """The leaves of each bucket, side by side in order of their paths."""
    buckets: dict[int, list[Leaf]] = {}
    for path, value in sorted((path_of(key), value) for key, value in state.items()):
        buckets.setdefault(bucket_of(path), []).append((path, leaf_of(value)))
    return {bucket: pack_leaves(leaves) for bucket, leaves in buckets.items()}


def roots_of(state: dict[bytes, bytes]) -> dict[int, bytes]:
    """The roots of all buckets with something in them."""
    return {bucket: bucket_root(packed) for bucket, packed in bucket_leaves(state).items()}


@st.composite
def close_paths(draw: st.DrawFn) -> list[bytes]:
    """Paths of one bucket, in order, few or many, some of which agree in many digits: hashes never come this close."""
    rng = random.Random(draw(st.integers(0, 1 << 32)))
    stems = [rng.randbytes(draw(st.integers(0, 9))) for _ in range(draw(st.integers(1, 3)))]
    count = draw(st.integers(1, 12) | st.integers(60, 70) | st.integers(130, 300))
    paths = [bytes(2) + stem + rng.randbytes(30 - len(stem)) for stem in rng.choices(stems, k=count)]
    return sorted(set(paths))


def _parts(leaves: list[Leaf], digit: int) -> list[list[Leaf]]:
    return [[leaf for leaf in leaves if leaf[0].hex()[digit] == name] for name in "0123456789abcdef"]
