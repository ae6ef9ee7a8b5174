"""
Merkle trees over lists, shaped as in RFC 6962 §2.1.

The root also commits to the number of leaves, so a proof fixes the position of its leaf: with another index or
count it does not verify.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

from noded.crypto.hashing import HASH_BYTES, hasher

ProofHash = NewType("ProofHash", bytes)
"""A hash beside the path of a proof; 32 bytes."""

ListPath = NewType("ListPath", tuple[ProofHash, ...])
"""The hashes beside a leaf's path, from the leaf up; at most LIST_PATH_MAX."""

LIST_PATH_MAX = 32
"""Levels of a tree; lists of up to 2^32 leaves."""

_leaf = hasher("noded/merkle-leaf/1")
_node = hasher("noded/merkle-node/1")
_root = hasher("noded/merkle-root/1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProof:
    """That a leaf stands at `index` of a list of `count` leaves."""

    index: int
    count: int
    path: ListPath


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The hash that commits to the leaves, their order and their number; 32 bytes. A list may be empty."""
    level = [_leaf(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _parents(level)
    return _rooted(len(leaves), level[0] if level else b"")


def prove_leaf(leaves: Sequence[bytes], index: int) -> ListProof:
    """The proof for the leaf at this index."""
    assert 0 <= index < len(leaves)
    path = []
    level = [_leaf(leaf) for leaf in leaves]
    position = index
    while len(level) > 1:
        beside = position ^ 1
        if beside < len(level):
            path.append(ProofHash(level[beside]))
        level = _parents(level)
        position >>= 1
    return ListProof(index=index, count=len(leaves), path=ListPath(tuple(path)))


def verify_leaf(root: bytes, leaf: bytes, proof: ListProof) -> bool:
    """Whether the list behind `root` has exactly `proof.count` leaves, and this one at `proof.index`."""
    position, width = proof.index, proof.count
    if not 0 <= position < width <= 1 << LIST_PATH_MAX:
        return False
    hashes = iter(proof.path)
    current = _leaf(leaf)
    while width > 1:
        if position ^ 1 < width:
            beside = next(hashes, None)
            if beside is None or len(beside) != HASH_BYTES:
                return False
            current = _node(beside + current) if position & 1 else _node(current + beside)
        position >>= 1
        width = (width + 1) >> 1
    return next(hashes, None) is None and _rooted(proof.count, current) == root


def _parents(level: list[bytes]) -> list[bytes]:
    """The level above: pairs are hashed, a last odd one moves up as it is."""
    parents = [_node(level[at] + level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return parents + level[-1:] if len(level) % 2 else parents


def _rooted(count: int, top: bytes) -> bytes:
    return _root(count.to_bytes(8) + top)
