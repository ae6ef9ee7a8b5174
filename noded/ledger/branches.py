"""Executed blocks above the durable state, of which one branch becomes final: what each made of the state."""

from collections.abc import Callable, Sequence

from noded.crypto.sparse_merkle import TreeDelta, bucket_of, leaf_in, path_of
from noded.crypto.state_proof import StateProof, prove
from noded.ledger.base import StateBase
from noded.ledger.errors import NotCertifiedYet, UnknownParent
from noded.ledger.execution import Changes, Execution, changes_of
from noded.ledger.head import Head
from noded.ledger.state import Overlay, Value
from noded.types.frozen import frozen
from noded.types.ids import BlockHash, Height

CACHE_MAX = 16_384
"""Decoded values of the durable state kept at hand; about 1 KiB each is 16 MiB."""


@frozen()
class Proven:
    """What the state after a block has at a key, with the proof; the header at the next height has its root."""

    height: Height
    """Of the block after which the state is meant."""
    value: bytes | None
    proof: StateProof


class Branches:
    """
    All executions whose blocks may still matter, and the state after each.

    The last folded execution stays: only its child's header certifies its state, so proofs are of the state before.
    """

    def __init__(self, base: StateBase, base_hash: BlockHash, base_head: Head) -> None:
        self._base = base
        self._base_hash = base_hash
        self._base_head = base_head
        self._executions: dict[BlockHash, Execution] = {}
        self._cache: dict[bytes, Value] = {}
        self._paths: dict[bytes, bytes] = {}
        """Of keys that the block being executed asked for."""
        self._buckets: dict[int, bytes] = {}
        """Of the durable state, read for that block: each once, so that the keys of a crowded one do not multiply its cost."""

    def __contains__(self, block: object) -> bool:
        return block == self._base_hash or block in self._executions

    def get(self, block: BlockHash) -> Execution | None:
        """The execution of a block, if it is still at hand."""
        return self._executions.get(block)

    def add(self, execution: Execution) -> None:
        """Keep an execution whose parent is kept."""
        assert execution.block.header.parent_hash in self
        self._executions[execution.block.hash] = execution

    def head(self, block: BlockHash) -> Head:
        """The head after an executed block; raises `UnknownParent` for any other."""
        return self._base_head if block == self._base_hash else self._known(block).head

    def root(self, block: BlockHash) -> bytes:
        """The state root after an executed block; raises `UnknownParent` for any other."""
        if block in self._executions:
            return self._executions[block].state_root
        if block != self._base_hash:
            raise UnknownParent(parent=block)
        oldest = [each for each in self._executions.values() if each.block.header.parent_hash == block]
        return oldest[0].changes.delta.parent_root if oldest else self._base.upper.root

    def state(self, block: BlockHash) -> Overlay:
        """The state after an executed block; raises `UnknownParent` for any other."""
        return self._overlay(block, self._read_base)

    def state_to_change(self, block: BlockHash) -> Overlay:
        """The same for executing the next block on it; `changes` takes it up before another is asked for."""
        assert not self._paths
        assert not self._buckets
        return self._overlay(block, self._read_by_bucket)

    def _overlay(self, block: BlockHash, read_base: Callable[[bytes], Value]) -> Overlay:
        layers = [execution.values for execution in self.down_from(block)]

        def below(key: bytes) -> Value:
            for values in layers:
                if key in values:
                    return values[key]
            return read_base(key)

        return Overlay(below)

    def down_from(self, block: BlockHash) -> list[Execution]:
        """The executions from a block down to the durable state, newest first."""
        branch: list[Execution] = []
        while block != self._base_hash:
            execution = self._known(block)
            branch.append(execution)
            block = execution.block.header.parent_hash
        return branch

    def deltas(self, branch: Sequence[Execution]) -> list[TreeDelta]:
        """What the tree of a branch has above that of the base, oldest first."""
        deltas: list[TreeDelta] = []
        for execution in branch:
            if execution.state_root == self._base.upper.root:
                break
            deltas.append(execution.changes.delta)
        deltas.reverse()
        return deltas

    def leaves(self, branch: Sequence[Execution], bucket: int) -> bytes:
        """The leaves of a bucket after a branch, side by side."""
        for execution in branch:
            leaves = execution.changes.buckets.get(bucket)
            if leaves is not None:
                return leaves
        return self._base.bucket(bucket)

    def changes(self, state: Overlay, branch: Sequence[Execution]) -> Changes:
        """What the changes kept in a state on top of a branch make of the tree."""
        above = [execution.changes.buckets for execution in branch]
        base = self._bucket

        def leaves_of(bucket: int) -> bytes:
            for buckets in above:
                if bucket in buckets:
                    return buckets[bucket]
            return base(bucket)

        changes = changes_of(state, self._base.upper, self.deltas(branch), leaves_of, self._paths)
        self._paths.clear()
        self._buckets.clear()
        return changes

    def drop_rivals(self, final: BlockHash) -> None:
        """Forget all that neither leads to the final block nor stands on it."""
        kept = {execution.block.hash: execution for execution in self.down_from(final)}
        height = self.head(final).height
        above = [execution for execution in self._executions.values() if execution.head.height > height]
        alive = {final: None}
        for execution in sorted(above, key=lambda execution: execution.head.height):
            if execution.block.header.parent_hash in alive:
                alive[execution.block.hash] = None
                kept[execution.block.hash] = execution
        self._executions = kept

    def fold(self, final: BlockHash, height: Height) -> None:
        """The base has everything up to this height of the final branch: forget what is below."""
        for execution in reversed(self.down_from(final)):
            if execution.head.height >= height:
                break
            for key in self._cache.keys() & execution.values.keys():
                self._cache[key] = execution.values[key]
            self._base_hash = execution.block.hash
            self._base_head = execution.head
            del self._executions[execution.block.hash]

    def keep_at_hand(self, state: Overlay, branch: Sequence[Execution]) -> None:
        """Remember values of the durable state that were decoded on top of this branch."""
        for key, value in state.seen().items():
            if not any(key in execution.values for execution in branch):
                self._cache[key] = value
        surplus = len(self._cache) - CACHE_MAX
        if surplus > 0:
            for key in list(self._cache)[: surplus + CACHE_MAX // 4]:
                del self._cache[key]

    def prove(self, block: BlockHash, newer: Sequence[Execution], key: bytes) -> Proven:
        """
        Prove what the state after a block has at a key.

        Args:
            block: An executed block.
            newer: The executions above it that the base may show already, newest first.
            key: Any key.

        Raises:
            NotCertifiedYet: The key has changed since, or the tree has.
        """
        branch = self.down_from(block)
        deltas = self.deltas(branch)
        below = deltas[0].parent_root if deltas else self.root(block)
        if below != self._base.upper.root:
            raise NotCertifiedYet("the state that could be proven is gone; the next block brings another")
        path = path_of(key)
        bucket = bucket_of(path)
        leaves = self.leaves(branch, bucket)
        for execution in newer:
            if any(write.path == path for write in execution.changes.writes):
                raise NotCertifiedYet("it changed in the last block, whose state the next one certifies")
            before = execution.changes.before(bucket)
            leaves = leaves if before is None else before
        proof = prove(self._base.upper, deltas, leaves, key)
        return Proven(height=self.head(block).height, value=self._value_after(branch, path), proof=proof)

    def _value_after(self, branch: Sequence[Execution], path: bytes) -> bytes | None:
        for execution in branch:
            for write in execution.changes.writes:
                if write.path == path:
                    return write.value
        return self._base.get(path)

    def _known(self, block: BlockHash) -> Execution:
        execution = self._executions.get(block)
        if execution is None:
            raise UnknownParent(parent=block)
        return execution

    def _read_base(self, key: bytes) -> Value:
        if key in self._cache:
            return self._cache[key]
        return self._base.get(path_of(key))

    def _read_by_bucket(self, key: bytes) -> Value:
        """
        Read through the key's bucket.

        Most keys that a block asks for and that are not at hand are those that it creates: their bucket, which its
        root is computed from anyway, tells that there is no such key.
        """
        if key in self._cache:
            return self._cache[key]
        path = self._paths[key] = path_of(key)
        bucket = path[0] << 8 | path[1]  # `bucket_of`, for every new key of every block.
        return None if leaf_in(self._bucket(bucket), path) is None else self._base.get(path)

    def _bucket(self, bucket: int) -> bytes:
        leaves = self._buckets.get(bucket)
        if leaves is None:
            leaves = self._buckets[bucket] = self._base.bucket(bucket)
        return leaves
