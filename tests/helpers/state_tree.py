"""The state tree as its definition says, bit by bit; and states and paths for tests of it."""

from hypothesis import strategies as st

from noded.crypto.hashing import ZERO_HASH, tagged_hash
from noded.crypto.sparse_merkle import Leaf, bucket_of, bucket_root, leaf_hash, path_of


def naive_subtree(leaves: list[Leaf], depth: int) -> bytes:
    """The node over leaves that agree in their first `depth` bits, below the upper levels."""
    if not leaves:
        return ZERO_HASH
    if len(leaves) == 1:
        return leaves[0][1]
    halves: tuple[list[Leaf], list[Leaf]] = ([], [])
    for path, leaf in leaves:
        halves[path[depth // 8] >> (7 - depth % 8) & 1].append((path, leaf))
    return tagged_hash("noded/state-node/1", b"".join(naive_subtree(half, depth + 1) for half in halves))


def naive_root(state: dict[bytes, bytes]) -> bytes:
    """The root of a state: keys and values."""
    leaves = [(path_of(key), leaf_hash(path_of(key), value)) for key, value in state.items()]

    def upper(part: list[Leaf], nibble: int) -> bytes:
        if not part:
            return ZERO_HASH
        if nibble == 4:
            return naive_subtree(part, 16)
        children = [
            upper([leaf for leaf in part if leaf[0].hex()[nibble] == digit], nibble + 1)
            for digit in "0123456789abcdef"
        ]
        return tagged_hash("noded/state-fan/1", b"".join(children))

    return upper(leaves, 0)


def bucket_leaves(state: dict[bytes, bytes]) -> dict[int, list[Leaf]]:
    """The leaves of each bucket, in order of their paths."""
    buckets: dict[int, list[Leaf]] = {}
    for path, value in sorted((path_of(key), value) for key, value in state.items()):
        buckets.setdefault(bucket_of(path), []).append((path, leaf_hash(path, value)))
    return buckets


def roots_of(state: dict[bytes, bytes]) -> dict[int, bytes]:
    """The roots of all buckets with something in them."""
    return {bucket: bucket_root(leaves) for bucket, leaves in bucket_leaves(state).items()}


@st.composite
def close_paths(draw: st.DrawFn) -> list[bytes]:
    """Paths of one bucket, in order, many of which agree in many bits: hashes never come this close."""
    numbers = [draw(st.integers(0, (1 << 240) - 1))]
    for _ in range(draw(st.integers(0, 12))):
        near = draw(st.sampled_from(numbers))
        numbers.append(near ^ 1 << draw(st.integers(0, 239)))
    return [bytes(2) + number.to_bytes(30) for number in sorted(set(numbers))]
