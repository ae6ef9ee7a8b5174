"""
The authenticated state tree: a sparse Merkle tree over all keys (H3).

    path    H(key), 64 hexadecimal digits, so keys spread evenly
    node    H("fan", 16 children), one for each next digit of the paths below it
    bucket  H("bucket", path ‖ value hash of each key below it, in order of their paths)
    nothing 32 zero bytes: an empty bucket, or a node without keys

The first four levels are nodes, over 65,536 buckets. A bucket of more than 64 keys is a node in its turn, over 16 buckets
of one digit more, and so on.

The shape depends on the keys alone: a deleted key leaves nothing behind and no order of changes shows. A bucket holds
the hashes of values, so that a proof need not show other keys' values.

Blocks are executed on top of blocks that are not final. The upper tree of the last final block is one flat array
(`UpperTree`); each later block is a `TreeDelta` on top of its parent's.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Self

from noded.crypto.hashing import HASH_BYTES, ZERO_HASH, hasher

BUCKETS = 1 << 16
"""Buckets: one for each value of a path's first 16 bits. A million keys make 15 to a bucket."""

FAN = 16
"""Children of a node. Measured for 100…1000 random keys: 16 costs 3–5 µs a key, 4 5–8 µs, 2 8–12 µs."""

UPPER_LEVELS = 4
"""Of nodes over the buckets: 16 bits, four at a time."""

LEVELS_MAX = 24
"""Of nodes over any bucket: nobody finds 65 keys whose paths agree in 96 bits."""

GROUP_BYTES = FAN * HASH_BYTES
"""The 16 children of a node, side by side as they are hashed."""

_FIRST_BUCKET = 1 + FAN + FAN**2 + FAN**3
"""Upper nodes are numbered from the root, 0; the children of n are 16n + 1 … 16n + 16. So n's group starts at 512n."""

_EMPTY_GROUP = bytes(GROUP_BYTES)

_HIGH_DIGIT = bytes(byte >> 4 for byte in range(256))
_LOW_DIGIT = bytes(byte & 15 for byte in range(256))

path_of = hasher("noded/state-path/1")
"""The path of a key; 32 bytes."""

leaf_of = hasher("noded/state-value/1")
"""What the tree holds of a value: its hash."""

_bucket = hasher("noded/state-bucket/1")
_fan = hasher("noded/state-fan/1")

Leaf = tuple[bytes, bytes]
"""A path and the hash of its value."""

LEAF_BYTES = 2 * HASH_BYTES
"""Of a leaf among others, side by side."""

BUCKET_BYTES_MAX = 64 * LEAF_BYTES
"""
Of the leaves that are hashed in one piece.

A bucket of 15 leaves takes 1.1 µs, one of 64 3.2 µs, one of 150 in 16 parts 21 µs; and a proof shows all of one.
"""


CHANGES_FEW = 16
"""Changes of one bucket that are made one by one, each a copy of it; more are merged. Random keys make few."""


def bucket_of(path: bytes) -> int:
    """The number of the bucket where a path ends."""
    return path[0] << 8 | path[1]


def pack_leaves(leaves: Iterable[Leaf]) -> bytes:
    """Leaves side by side: how a bucket is kept at hand, 64 bytes a key."""
    return b"".join(chain.from_iterable(leaves))


def unpack_leaves(packed: bytes) -> list[Leaf]:
    """The leaves that `pack_leaves` put side by side."""
    starts = range(0, len(packed), LEAF_BYTES)
    return [(packed[at : at + HASH_BYTES], packed[at + HASH_BYTES : at + LEAF_BYTES]) for at in starts]


def with_leaf(packed: bytes, path: bytes, leaf: bytes | None) -> bytes:
    """The leaves of a bucket, side by side, once a path has another value or, with None, none any more."""
    at = _place_of(path, packed)
    after = at + LEAF_BYTES if packed.startswith(path, at) else at
    return packed[:at] + (b"" if leaf is None else path + leaf) + packed[after:]


def with_leaves(packed: bytes, changes: Sequence[tuple[bytes, bytes | None]]) -> bytes:
    """The same for several paths, each given once."""
    if len(changes) <= CHANGES_FEW:
        for path, leaf in changes:
            packed = with_leaf(packed, path, leaf)
        return packed
    leaves: dict[bytes, bytes | None] = {**dict(unpack_leaves(packed)), **dict(changes)}
    return pack_leaves((path, leaf) for path, leaf in sorted(leaves.items()) if leaf is not None)


def leaf_in(packed: bytes, path: bytes) -> bytes | None:
    """What a bucket, whose leaves are given side by side, holds at a path; None where it has nothing."""
    at = _place_of(path, packed)
    return packed[at + HASH_BYTES : at + LEAF_BYTES] if packed.startswith(path, at) else None


def _place_of(path: bytes, packed: bytes) -> int:
    """Where a path stands among leaves side by side, or would."""
    low, high = 0, len(packed) // LEAF_BYTES
    while low < high:
        middle = (low + high) // 2
        at = middle * LEAF_BYTES
        if packed[at : at + HASH_BYTES] < path:
            low = middle + 1
        else:
            high = middle
    return low * LEAF_BYTES


def digit_of(path: bytes, level: int) -> int:
    """The digit of a path by which a node with so many levels above it sends it to a child."""
    return path[level >> 1] >> (0 if level & 1 else 4) & 15


def split(packed: bytes, level: int) -> list[bytes]:
    """The leaves below each of the 16 children of a node with so many levels above it."""
    digits = packed[level >> 1 :: LEAF_BYTES].translate(_LOW_DIGIT if level & 1 else _HIGH_DIGIT)
    ends = [LEAF_BYTES * bisect_right(digits, child) for child in range(FAN)]
    return [packed[start:end] for start, end in pairwise((0, *ends))]


def bucket_root(packed: bytes, levels: int = UPPER_LEVELS) -> bytes:
    """The root over the leaves that end below so many levels, side by side in order of their paths."""
    if len(packed) <= BUCKET_BYTES_MAX:
        return _bucket(packed) if packed else ZERO_HASH
    assert levels < LEVELS_MAX, "paths are hashes"
    return node_of(b"".join([bucket_root(part, levels + 1) for part in split(packed, levels)]))


def node_of(group: bytes) -> bytes:
    """The hash of a node with these 16 children."""
    return ZERO_HASH if group == _EMPTY_GROUP else _fan(group)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeDelta:
    """The upper nodes that a block changes, on top of its parent's tree; up to 2 KiB a changed bucket."""

    parent_root: bytes
    root: bytes
    groups: Mapping[int, bytes]
    """The 16 children of each changed node, by the node's number."""


class UpperTree:
    """The upper nodes of a state, all of them; 2.2 MB in one piece."""

    __slots__ = ("_groups", "root")

    def __init__(self) -> None:
        """Start with the empty state."""
        self._groups = bytearray(_FIRST_BUCKET * GROUP_BYTES)
        self.root = ZERO_HASH

    @classmethod
    def from_bucket_roots(cls, roots: bytes) -> Self:
        """The tree over the roots of all buckets, side by side; about 10 ms."""
        assert len(roots) == BUCKETS * HASH_BYTES
        tree = cls()
        groups = tree._groups
        groups[-len(roots) :] = roots
        for node in range(_FIRST_BUCKET - 1, 0, -1):
            group = groups[node * GROUP_BYTES : (node + 1) * GROUP_BYTES]
            if group != _EMPTY_GROUP:
                groups[(node - 1) * HASH_BYTES : node * HASH_BYTES] = node_of(bytes(group))
        tree.root = node_of(tree.group(0))
        return tree

    def group(self, node: int) -> bytes:
        """The 16 children of a node."""
        return bytes(self._groups[node * GROUP_BYTES : (node + 1) * GROUP_BYTES])

    def fold(self, delta: TreeDelta) -> None:
        """Take over the delta of a block that became final; it must be on top of this very tree."""
        assert delta.parent_root == self.root, "the delta stands on another tree"
        for node, group in delta.groups.items():
            self._groups[node * GROUP_BYTES : (node + 1) * GROUP_BYTES] = group
        self.root = delta.root


def updated(base: UpperTree, deltas: Sequence[TreeDelta], bucket_roots: Mapping[int, bytes]) -> TreeDelta:
    """
    The delta of a block that sets these bucket roots, on top of `base` and then `deltas`, oldest first.

    Changes nothing; each changed node is hashed once.
    """
    parent_root = root_of(base, deltas)
    nodes: Mapping[int, bytes] = {_FIRST_BUCKET + bucket: root for bucket, root in bucket_roots.items()}
    changed: dict[int, bytes] = {}
    for _ in range(UPPER_LEVELS):
        groups: dict[int, bytes] = {}
        for node, value in nodes.items():
            parent, child = divmod(node - 1, FAN)
            group = groups.get(parent) or group_of(base, deltas, parent)
            at = child * HASH_BYTES
            groups[parent] = group[:at] + value + group[at + HASH_BYTES :]
        nodes = {parent: node_of(group) for parent, group in groups.items()}
        changed.update(groups)
    return TreeDelta(parent_root=parent_root, root=nodes.get(0, parent_root), groups=changed)


def root_of(base: UpperTree, deltas: Sequence[TreeDelta]) -> bytes:
    """The root of the state that `deltas` make of `base`; each must stand on the one before."""
    root = base.root
    for delta in deltas:
        assert delta.parent_root == root, "the delta stands on another tree"
        root = delta.root
    return root


def group_of(base: UpperTree, deltas: Sequence[TreeDelta], node: int) -> bytes:
    """The 16 children of an upper node, after `deltas`."""
    for delta in reversed(deltas):
        group = delta.groups.get(node)
        if group is not None:
            return group
    return base.group(node)
