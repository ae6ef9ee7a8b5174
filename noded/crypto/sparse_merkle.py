"""
The authenticated state tree: a sparse Merkle tree over all keys (H3).

    path   H(key), 256 bits, so keys spread evenly and nobody can choose a place
    upper  bits 0…15: four levels of 16 children each, over 65,536 buckets
    lower  bits 16…255: within a bucket one level a bit, but a subtree of one leaf is that leaf

    leaf   H("leaf", path ‖ H("value", value))
    lower node  H("node", left ‖ right)          upper node  H("fan", 16 children)
    nothing     32 zero bytes: an empty subtree, bucket or tree

The shape depends on the keys alone: a deleted key leaves nothing behind and no order of changes shows. A leaf holds
its value's hash, so that a proof of absence need not show a neighbour's value.

Blocks are executed on top of blocks that are not final. The upper tree of the last final block is one flat array
(`UpperTree`); each later block is a `TreeDelta` on top of its parent's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

from noded.crypto.hashing import HASH_BYTES, ZERO_HASH, hasher, starter

BUCKETS = 1 << 16
"""Buckets: one for each value of a path's first 16 bits. A million keys make 15 to a bucket."""

FAN = 16
"""Children of an upper node. Measured for 100…1000 random keys: 16 costs 3–5 µs a key, 4 5–8 µs, 2 8–12 µs."""

UPPER_LEVELS = 4
"""16 bits, four at a time."""

LOWER_LEVELS_MAX = 240
"""Bits of a path below its bucket. Paths are hashes: even 2^40 random keys agree in under 100 bits."""

GROUP_BYTES = FAN * HASH_BYTES
"""The 16 children of an upper node, side by side as they are hashed."""

_FIRST_BUCKET = 1 + FAN + FAN**2 + FAN**3
"""Upper nodes are numbered from the root, 0; the children of n are 16n + 1 … 16n + 16. So n's group starts at 512n."""

_EMPTY_GROUP = bytes(GROUP_BYTES)

path_of = hasher("noded/state-path/1")
"""The path of a key; 32 bytes."""

value_hash_of = hasher("noded/state-value/1")
"""The hash of a value, as leaves hold it."""

lower_node = hasher("noded/state-node/1")
"""The hash of two children within a bucket, given side by side."""

_begin_value = starter("noded/state-value/1")
_begin_leaf = starter("noded/state-leaf/1")
_leaf = hasher("noded/state-leaf/1")
_fan = hasher("noded/state-fan/1")

Leaf = tuple[bytes, bytes]
"""A path and its leaf hash."""

LEAF_BYTES = 2 * HASH_BYTES
"""Of a leaf among others, side by side."""


def leaf_of(path: bytes, value_hash: bytes) -> bytes:
    """The leaf hash of a path whose value has this hash."""
    return _leaf(path + value_hash)


def leaf_hash(path: bytes, value: bytes) -> bytes:
    """The leaf hash of a path and its value: two hashes of every key of every block."""
    hash_ = _begin_value()
    hash_.update(value)
    leaf = _begin_leaf()
    leaf.update(path + hash_.digest())
    return leaf.digest()


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
    """The leaves of a bucket, side by side, once a path has another leaf or, with None, none any more."""
    at, end = 0, len(packed)
    while at < end and packed[at : at + HASH_BYTES] < path:
        at += LEAF_BYTES
    after = at + LEAF_BYTES if packed.startswith(path, at) else at
    return packed[:at] + (b"" if leaf is None else path + leaf) + packed[after:]


def leaf_in(packed: bytes, path: bytes) -> bytes | None:
    """The leaf hash of a path in a bucket whose leaves are given side by side; None where it has none."""
    for at in range(0, len(packed), LEAF_BYTES):
        if packed.startswith(path, at):
            return packed[at + HASH_BYTES : at + LEAF_BYTES]
    return None


def packed_root(packed: bytes) -> bytes:
    """The root over all leaves of one bucket, given side by side in order of their paths."""
    if len(packed) <= LEAF_BYTES:
        return packed[HASH_BYTES:] or ZERO_HASH
    if len(packed) == 2 * LEAF_BYTES:  # Most buckets of a state of 100,000 keys.
        first = int.from_bytes(packed[:HASH_BYTES])
        second = int.from_bytes(packed[LEAF_BYTES : LEAF_BYTES + HASH_BYTES])
        assert first < second, "leaves must be in order of their paths"
        branch = (first ^ second).bit_length() - 1
        assert branch < LOWER_LEVELS_MAX, "leaves must be of one bucket"
        node = lower_node(packed[HASH_BYTES:LEAF_BYTES] + packed[LEAF_BYTES + HASH_BYTES :])
        return _lifted(node, first, branch, LOWER_LEVELS_MAX)
    return bucket_root(unpack_leaves(packed))


def upper_node(group: bytes) -> bytes:
    """The hash of an upper node with these 16 children."""
    return ZERO_HASH if group == _EMPTY_GROUP else _fan(group)


def bucket_root(leaves: Sequence[Leaf], levels: int = LOWER_LEVELS_MAX) -> bytes:
    """
    The root over the leaves of one bucket, in order of their paths.

    With fewer `levels`, the node that many levels above the ends of paths, over the leaves below it.
    """
    if len(leaves) < 2:
        return leaves[0][1] if leaves else ZERO_HASH
    # Through the leaves once, from left to right. `waiting` has the left halves whose right halves are still to
    # come, each with its first path, the bit at which it branches (-1: a leaf), and the bit that parts it from them.
    waiting: list[tuple[int, bytes, int, int]] = []
    before, current = int.from_bytes(leaves[0][0]), leaves[0][1]
    first, branch = before, -1
    for path, leaf in leaves[1:]:
        number = int.from_bytes(path)
        assert before < number, "leaves must be in order of their paths"
        bit = (before ^ number).bit_length() - 1
        while waiting and waiting[-1][3] < bit:
            first, current, branch = _merged(waiting.pop(), first, current, branch)
        waiting.append((first, current, branch, bit))
        before = first = number
        current, branch = leaf, -1
    assert waiting[0][3] < levels, "leaves must be of one bucket"
    while waiting:
        first, current, branch = _merged(waiting.pop(), first, current, branch)
    return _lifted(current, first, branch, levels)


def _merged(
    left: tuple[int, bytes, int, int], first: int, right: bytes, branch: int
) -> tuple[int, bytes, int]:
    left_first, left_node, left_branch, bit = left
    if left_branch >= 0:
        left_node = _lifted(left_node, left_first, left_branch, bit)
    if branch >= 0:
        right = _lifted(right, first, branch, bit)
    return left_first, lower_node(left_node + right), bit


def _lifted(node: bytes, path: int, branch: int, to: int) -> bytes:
    """A node that branches at bit `branch`, as seen from just below bit `to`: alone on each level between."""
    for bit in range(branch + 1, to):
        node = lower_node(ZERO_HASH + node if path >> bit & 1 else node + ZERO_HASH)
    return node


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
                groups[(node - 1) * HASH_BYTES : node * HASH_BYTES] = upper_node(bytes(group))
        tree.root = upper_node(tree.group(0))
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
        nodes = {parent: upper_node(group) for parent, group in groups.items()}
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
