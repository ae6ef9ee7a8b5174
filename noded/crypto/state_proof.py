"""Proofs that a key has a value in a state, or has none; judged against the state's root alone (H3)."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NewType

from noded.crypto.hashing import HASH_BYTES, ZERO_HASH
from noded.crypto.merkle import ProofHash
from noded.crypto.sparse_merkle import (
    FAN,
    LOWER_LEVELS_MAX,
    UPPER_LEVELS,
    Leaf,
    TreeDelta,
    UpperTree,
    bucket_of,
    bucket_root,
    group_of,
    leaf_hash,
    leaf_of,
    lower_node,
    path_of,
    upper_node,
    value_hash_of,
)

UpperPath = NewType("UpperPath", bytes)
"""For each upper level, from the bucket up, the 15 hashes beside the path; UPPER_PATH_BYTES."""

LowerPath = NewType("LowerPath", tuple[ProofHash, ...])
"""The hash beside the path on each level of the bucket, from the leaf up; at most LOWER_LEVELS_MAX."""

UPPER_PATH_BYTES = UPPER_LEVELS * (FAN - 1) * HASH_BYTES
"""1920 bytes. Binary levels would need 512, and three times the work for each block."""

_BESIDE_BYTES = (FAN - 1) * HASH_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """The only leaf where the absent key's would be."""

    path: ProofHash
    value_hash: ProofHash


@dataclass(frozen=True, slots=True, kw_only=True)
class StateProof:
    """That a key has a certain value, or none; 2–2.5 KB in a state of a million keys."""

    upper: UpperPath
    lower: LowerPath
    neighbour: Neighbour | None
    """Who is in the place of an absent key; None if nobody is, and in proofs of inclusion."""


def prove(
    base: UpperTree,
    deltas: Sequence[TreeDelta],
    leaves: Sequence[Leaf],
    key: bytes,
    value_at: Callable[[bytes], bytes],
) -> StateProof:
    """
    The proof of what the state after `deltas` has at a key: of its value, or of its absence.

    Args:
        base: The upper tree below all deltas.
        deltas: Changes on top of it, oldest first.
        leaves: All leaves of the key's bucket, in order of their paths.
        key: Any key.
        value_at: The value at another path; asked at most once, and only if the key is absent.
    """
    path = path_of(key)
    number = int.from_bytes(path)
    beside: list[ProofHash] = []
    low, high, bit = 0, len(leaves), LOWER_LEVELS_MAX
    while high - low > 1:
        bit -= 1
        threshold = (int.from_bytes(leaves[low][0]) >> bit | 1) << bit
        middle = bisect_left(leaves, threshold, low, high, key=lambda leaf: int.from_bytes(leaf[0]))
        halves = (low, middle), (middle, high)
        chosen = number >> bit & 1
        beside.append(ProofHash(bucket_root(leaves[slice(*halves[1 - chosen])], bit)))
        low, high = halves[chosen]
    neighbour = None
    if low < high and leaves[low][0] != path:
        other = leaves[low][0]
        neighbour = Neighbour(path=ProofHash(other), value_hash=ProofHash(value_hash_of(value_at(other))))
    return StateProof(
        upper=_upper_path(base, deltas, path), lower=LowerPath(tuple(reversed(beside))), neighbour=neighbour
    )


def verify_inclusion(root: bytes, key: bytes, value: bytes, proof: StateProof) -> bool:
    """Whether the state behind `root` has this value at this key."""
    path = path_of(key)
    return proof.neighbour is None and _leads_to(root, path, leaf_hash(path, value), proof)


def verify_absence(root: bytes, key: bytes, proof: StateProof) -> bool:
    """Whether the state behind `root` has no value at this key."""
    path = path_of(key)
    other = proof.neighbour
    if other is None:
        return _leads_to(root, path, ZERO_HASH, proof)
    if len(other.path) != HASH_BYTES or len(other.value_hash) != HASH_BYTES or other.path == path:
        return False
    apart = int.from_bytes(path) ^ int.from_bytes(other.path)
    if len(proof.lower) > LOWER_LEVELS_MAX or apart >> (LOWER_LEVELS_MAX - len(proof.lower)):
        return False
    return _leads_to(root, path, leaf_of(other.path, other.value_hash), proof)


def _leads_to(root: bytes, path: bytes, current: bytes, proof: StateProof) -> bool:
    """Whether `current` stands under `root` where the proof's levels lead along the path."""
    if len(proof.upper) != UPPER_PATH_BYTES or len(proof.lower) > LOWER_LEVELS_MAX:
        return False
    if any(len(beside) != HASH_BYTES for beside in proof.lower):
        return False
    number = int.from_bytes(path)
    for bit, beside in enumerate(proof.lower, LOWER_LEVELS_MAX - len(proof.lower)):
        current = lower_node(beside + current if number >> bit & 1 else current + beside)
    bucket = bucket_of(path)
    for level in range(UPPER_LEVELS):
        others = proof.upper[level * _BESIDE_BYTES : (level + 1) * _BESIDE_BYTES]
        child = bucket % FAN * HASH_BYTES
        current = upper_node(others[:child] + current + others[child:])
        bucket //= FAN
    return current == root


def _upper_path(base: UpperTree, deltas: Sequence[TreeDelta], path: bytes) -> UpperPath:
    bucket = bucket_of(path)
    node = 0
    levels = []
    for level in reversed(range(UPPER_LEVELS)):
        child = bucket // FAN**level % FAN
        group = group_of(base, deltas, node)
        levels.append(group[: child * HASH_BYTES] + group[(child + 1) * HASH_BYTES :])
        node = node * FAN + 1 + child
    return UpperPath(b"".join(reversed(levels)))
