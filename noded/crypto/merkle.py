"""
Merkle trees over lists, shaped as in RFC 6962 §2.1.

The root also commits to the number of leaves.
"""

from collections.abc import Sequence

from noded.crypto.hashing import hasher

_leaf = hasher("noded/merkle-leaf/1")
_node = hasher("noded/merkle-node/1")
_root = hasher("noded/merkle-root/1")


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The hash that commits to the leaves, their order and their number; 32 bytes. A list may be empty."""
    level = [_leaf(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _parents(level)
    return _rooted(len(leaves), level[0] if level else b"")


def _parents(level: list[bytes]) -> list[bytes]:
    """The level above: pairs are hashed, a last odd one moves up as it is."""
    parents = [_node(level[at] + level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return parents + level[-1:] if len(level) % 2 else parents


def _rooted(count: int, top: bytes) -> bytes:
    return _root(count.to_bytes(8) + top)
