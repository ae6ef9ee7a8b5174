"""Proofs that a key has a value in a state, or has none; judged against the state's root alone (H3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NewType

from noded.crypto.hashing import HASH_BYTES
from noded.crypto.sparse_merkle import (
    BUCKET_BYTES_MAX,
    FAN,
    LEAF_BYTES,
    LEVELS_MAX,
    UPPER_LEVELS,
    TreeDelta,
    UpperTree,
    bucket_root,
    digit_of,
    group_of,
    leaf_of,
    node_of,
    path_of,
    split,
    unpack_leaves,
)

NodesBeside = NewType("NodesBeside", bytes)
"""For each level, from the bucket up, the 15 hashes beside the path."""

Leaves = NewType("Leaves", bytes)
"""All of a bucket, side by side in order of their paths."""

BESIDE_BYTES = (FAN - 1) * HASH_BYTES
"""Of one level. Binary levels would need a quarter for the same bits, and three times the work for each block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateProof:
    """That a key has a certain value, or none; about 3 KB in a state of a million keys."""

    beside: NodesBeside
    leaves: Leaves
    """Of the bucket where the key's path ends."""


def prove(base: UpperTree, deltas: Sequence[TreeDelta], packed: bytes, key: bytes) -> StateProof:
    """
    The proof of what the state after `deltas` has at a key: of its value, or of its absence.

    Args:
        base: The upper tree below all deltas.
        deltas: Changes on top of it, oldest first.
        packed: All leaves of the key's bucket below the upper tree, side by side in order of their paths.
        key: Any key.
    """
    path = path_of(key)
    levels: list[bytes] = []
    node = 0
    for level in range(UPPER_LEVELS):
        child = digit_of(path, level)
        levels.append(_beside(group_of(base, deltas, node), child))
        node = node * FAN + 1 + child
    while len(packed) > BUCKET_BYTES_MAX:
        level = len(levels)
        parts = split(packed, level)
        child = digit_of(path, level)
        levels.append(_beside(b"".join([bucket_root(part, level + 1) for part in parts]), child))
        packed = parts[child]
    return StateProof(beside=NodesBeside(b"".join(reversed(levels))), leaves=Leaves(packed))


def verify_inclusion(root: bytes, key: bytes, value: bytes, proof: StateProof) -> bool:
    """Whether the state behind `root` has this value at this key."""
    path = path_of(key)
    return _leads_to(root, path, proof) and (path, leaf_of(value)) in unpack_leaves(proof.leaves)


def verify_absence(root: bytes, key: bytes, proof: StateProof) -> bool:
    """Whether the state behind `root` has no value at this key."""
    path = path_of(key)
    return _leads_to(root, path, proof) and path not in dict(unpack_leaves(proof.leaves))


def _leads_to(root: bytes, path: bytes, proof: StateProof) -> bool:
    """Whether the proof's leaves are all those under `root` of the bucket where the path ends."""
    levels, odd = divmod(len(proof.beside), BESIDE_BYTES)
    if odd or not UPPER_LEVELS <= levels <= LEVELS_MAX:
        return False
    if len(proof.leaves) % LEAF_BYTES or len(proof.leaves) > BUCKET_BYTES_MAX:
        return False
    paths = [leaf[0] for leaf in unpack_leaves(proof.leaves)]
    if any(after <= before for before, after in pairwise(paths)):
        return False
    if any(each.hex()[:levels] != path.hex()[:levels] for each in paths):
        return False
    current = bucket_root(proof.leaves)
    for step in range(levels):
        others = proof.beside[step * BESIDE_BYTES : (step + 1) * BESIDE_BYTES]
        at = digit_of(path, levels - 1 - step) * HASH_BYTES
        current = node_of(others[:at] + current + others[at:])
    return current == root


def _beside(group: bytes, child: int) -> bytes:
    """The children of a node but one."""
    return group[: child * HASH_BYTES] + group[(child + 1) * HASH_BYTES :]
