"""
Committed blocks and states of many nodes, kept once.

A `History` is one chain: every key of the state with the heights at which it changed, and the blocks. A node's
`Archive` is a view of it at the node's own height. A node that commits another block than its history has at that
height gets a history of its own that branches off: that is a violation of agreement, and is simulated faithfully.
"""

from noded.blocksync import RANGE_BYTES_MAX, range_bytes
from noded.crypto.sparse_merkle import Leaf, UpperTree, bucket_of, pack_leaves
from noded.ledger.commit import CommittedBlock
from noded.types.block import TAIL_MAX, BlockHeader, BlockKind, FinalityProof
from noded.types.ids import Height
from noded.types.messages import BLOCKS_MAX, BlockRange, SyncedBlock

_Versions = list[tuple[int, bytes | None, bytes | None]]
"""(height, value, leaf) ascending; None from where the key is gone."""


class History:
    """One chain of committed blocks and all states that somebody still stands on."""

    def __init__(self, parent: "History | None" = None, fork_height: int = -1) -> None:
        self._parent = parent
        self._fork_height = fork_height
        self._versions: dict[bytes, _Versions] = {}
        self._paths: dict[int, list[bytes]] = {}
        self._groups: dict[int, list[tuple[int, bytes]]] = {}
        self._roots: dict[int, bytes] = {}
        self._blocks: list[CommittedBlock] = []
        self._viewers: dict[int, int] = {}
        """How many archives stand at each height."""
        self._empty = UpperTree()
        if parent is not None:
            parent.enter(fork_height)

    @property
    def height(self) -> int:
        """Of the last block."""
        return self._fork_height + len(self._blocks)

    def block(self, height: int) -> CommittedBlock | None:
        """The block at a height."""
        if height > self._fork_height:
            index = height - self._fork_height - 1
            return self._blocks[index] if index < len(self._blocks) else None
        return None if self._parent is None else self._parent.block(height)

    def append(self, committed: CommittedBlock) -> None:
        """Add the next block."""
        height = committed.block.header.height
        assert height == self.height + 1
        least = min(self._viewers, default=height)
        self._blocks.append(committed)
        for write in committed.writes:
            versions = self._versions.get(write.path)
            if versions is None:
                versions = self._versions[write.path] = []
                self._paths.setdefault(bucket_of(write.path), []).append(write.path)
            versions.append((height, write.value, write.leaf))
            if len(versions) > 2 and versions[1][0] <= least:
                _prune(versions, least)
        for node, group in committed.delta.groups.items():
            groups = self._groups.setdefault(node, [])
            groups.append((height, group))
            if len(groups) > 2 and groups[1][0] <= least:
                _prune(groups, least)
        self._roots[height] = committed.state_root

    def change(self, path: bytes, value: bytes) -> None:
        """Let a key have another value where this chain branches off, and the same leaf."""
        assert not self._blocks
        known = self._version(path, self._fork_height)
        self._versions[path] = [(self._fork_height, value, None if known is None else known[2])]
        self._paths.setdefault(bucket_of(path), []).append(path)

    def enter(self, height: int) -> None:
        """An archive stands at this height now: its state must be kept."""
        self._viewers[height] = self._viewers.get(height, 0) + 1

    def leave(self, height: int) -> None:
        """One archive less stands at this height."""
        self._viewers[height] -= 1
        if not self._viewers[height]:
            del self._viewers[height]

    def get(self, path: bytes, height: int) -> bytes | None:
        """The value of a key at a height."""
        version = self._version(path, height)
        return None if version is None else version[1]

    def bucket(self, bucket: int, height: int) -> bytes:
        """The leaves of a bucket at a height, side by side in order of their paths."""
        leaves: list[Leaf] = []
        for path in self._all_paths(bucket):
            version = self._version(path, height)
            if version is not None and version[2] is not None:
                leaves.append((path, version[2]))
        return pack_leaves(sorted(leaves))

    def group(self, node: int, height: int) -> bytes:
        """The 16 children of an upper node of the state's tree, at a height."""
        for since, group in reversed(self._groups.get(node, ())):
            if since <= height:
                return group
        if self._parent is not None:
            return self._parent.group(node, min(height, self._fork_height))
        return self._empty.group(node)

    def root(self, height: int) -> bytes:
        """The state root at a height."""
        found = self._roots.get(height)
        if found is None:
            assert self._parent is not None
            return self._parent.root(height)
        return found

    def _version(self, path: bytes, height: int) -> tuple[int, bytes | None, bytes | None] | None:
        for version in reversed(self._versions.get(path, ())):
            if version[0] <= height:
                return version
        if self._parent is not None:
            return self._parent._version(path, min(height, self._fork_height))
        return None

    def _all_paths(self, bucket: int) -> list[bytes]:
        own = self._paths.get(bucket, [])
        if self._parent is None:
            return own
        return list(dict.fromkeys((*self._parent._all_paths(bucket), *own)))


def _prune(versions: "list[tuple[int, bytes]] | _Versions", least: int) -> None:
    """Drop what nobody who stands at `least` or above can see."""
    kept = 0
    while kept + 1 < len(versions) and versions[kept + 1][0] <= least:
        kept += 1
    del versions[:kept]


class _UpperView(UpperTree):
    """The upper nodes of a history's state at one height."""

    __slots__ = ("_height", "_history")

    def __init__(self, history: History, height: int) -> None:
        self._history = history
        self._height = height
        self.root = history.root(height)

    def group(self, node: int) -> bytes:
        return self._history.group(node, self._height)


class Archive:
    """
    What one node has durably committed: the `StateBase` of its ledger, and its blocks.

    Blocks are first stored, then folded: the state that the ledger sees changes in the step in which it is told.

    Args:
        history: The chain that all correct nodes share; it has the genesis block.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._stored = 0
        self._height = 0
        self._proofs: dict[int, FinalityProof] = {}
        self.is_altered = False
        """Whether a value is another than the blocks say."""
        history.enter(0)
        self.upper: UpperTree = _UpperView(history, 0)

    @property
    def height(self) -> Height:
        """Of the last durable block."""
        return Height(self._stored)

    def block(self, height: int) -> CommittedBlock:
        """A durable block of this node's chain."""
        assert 0 <= height <= self._stored
        committed = self._history.block(height)
        assert committed is not None
        return committed

    def proof(self, height: int) -> FinalityProof | None:
        """What was stored with a block to show that it is final; None for one that a later proof covers."""
        return self._proofs.get(height)

    def get(self, path: bytes) -> bytes | None:
        """The value of the key with this path."""
        return self._history.get(path, self._height)

    def bucket(self, bucket: int) -> bytes:
        """The leaves of a bucket, side by side in order of their paths."""
        return self._history.bucket(bucket, self._height)

    def store(self, committed: CommittedBlock) -> None:
        """The next block is durable."""
        height = committed.block.header.height
        assert height == self._stored + 1
        known = self._history.block(height)
        if known is not None and known.block.hash != committed.block.hash:
            self._branch_off()
            known = None
        if known is None:
            self._history.append(committed)
        if committed.finalization is not None:
            self._proofs[height] = FinalityProof(tail=committed.tail, finalization=committed.finalization)
        self._stored = height

    def fold(self, height: int) -> None:
        """Show the state after this durable block from now on."""
        assert self._height <= height <= self._stored
        self._history.enter(height)
        self._history.leave(self._height)
        self._height = height
        self.upper = _UpperView(self._history, height)

    def alter(self, path: bytes, value: bytes) -> None:
        """One value is another from now on, in this store only; the tree does not know."""
        self.fold(self._stored)
        self._branch_off()
        self._history.change(path, value)
        self.is_altered = True

    def wipe(self) -> None:
        """The disk is lost: back to genesis, on a history of its own, as others may have left that state behind."""
        founding = self.block(0)
        self._history.leave(self._height)
        self._history = History()
        self._history.append(founding)
        self._history.enter(0)
        self._height = self._stored = 0
        self._proofs.clear()
        self.upper = _UpperView(self._history, 0)

    def read_range(self, first: Height, last: Height) -> BlockRange:
        """As many of these blocks as fit one message and belong to one epoch, with a proof of the last one."""
        blocks: list[SyncedBlock] = []
        size = 0
        for height in range(first, min(last, self._stored, first + BLOCKS_MAX - 1) + 1):
            committed = self.block(height)
            batches = tuple(batch.encoding for batch in committed.batches)
            size += range_bytes(committed.block, batches)
            if blocks and size > RANGE_BYTES_MAX:
                break
            blocks.append(SyncedBlock(block=committed.block, batches=batches))
            if committed.block.header.kind is BlockKind.TERMINAL:
                break
        proof = self._prove(blocks[-1].block.header) if blocks else None
        if proof is None:
            return BlockRange(first=first, blocks=(), tail=(), finalization=None)
        return BlockRange(first=first, blocks=tuple(blocks), tail=proof.tail, finalization=proof.finalization)

    def _branch_off(self) -> None:
        """This node's next block is not the shared chain's: agreement is violated."""
        branch = History(self._history, self._stored)
        branch.enter(self._height)
        self._history.leave(self._height)
        self._history = branch
        self.upper = _UpperView(branch, self._height)

    def _prove(self, header: BlockHeader) -> FinalityProof | None:
        """The nearest finalization at or above a block of the same epoch."""
        between: list[BlockHeader] = []
        for height in range(header.height, self._stored + 1):
            above = self.block(height).block.header
            if above.epoch != header.epoch:
                return None
            if height > header.height:
                between.append(above)
            proof = self._proofs.get(height)
            if proof is not None:
                return FinalityProof(tail=(*between, *proof.tail), finalization=proof.finalization)
            if len(between) == TAIL_MAX:
                return None
        return None
