"""The state of the last block that is durable: what a ledger stands on."""

from typing import Protocol

from noded.crypto.sparse_merkle import TreeDelta, UpperTree
from noded.ledger.commit import CommittedBlock


class StateBase(Protocol):
    """
    A store's state, read by path.

    It may show blocks that were committed but not yet reported by `Ledger.folded`; never any others. `upper` is
    the tree after the last block so reported, or better the one before, so that proofs are possible: only the next
    header certifies a state.
    """

    @property
    def upper(self) -> UpperTree:
        """The upper nodes of the state's tree."""

    def get(self, path: bytes) -> bytes | None:
        """The value of the key with this path; None where there is none."""

    def bucket(self, bucket: int) -> bytes:
        """The leaves of a bucket, side by side in order of their paths."""


class HeldBack:
    """Folds the deltas of durable blocks into a tree, always one block late."""

    def __init__(self, upper: UpperTree) -> None:
        self.upper = upper
        self._newest: TreeDelta | None = None

    def fold(self, delta: TreeDelta) -> None:
        """A block is durable: its parent's delta goes into the tree."""
        if self._newest is not None:
            self.upper.fold(self._newest)
        self._newest = delta

    def settle(self) -> None:
        """Catch up, before another ledger stands on the tree."""
        if self._newest is not None:
            self.upper.fold(self._newest)
        self._newest = None


class MemoryBase:
    """A state in memory, for the simulator and tests."""

    def __init__(self, founding: CommittedBlock) -> None:
        """Start with the state of the genesis block."""
        self._tree = HeldBack(UpperTree())
        self._values: dict[bytes, bytes] = {}
        self._buckets: dict[int, bytes] = {}
        self._write(founding)
        self.upper.fold(founding.delta)

    @property
    def upper(self) -> UpperTree:
        """The upper nodes of the state's tree."""
        return self._tree.upper

    def get(self, path: bytes) -> bytes | None:
        """The value of the key with this path."""
        return self._values.get(path)

    def bucket(self, bucket: int) -> bytes:
        """The leaves of a bucket, side by side in order of their paths."""
        return self._buckets.get(bucket, b"")

    def fold(self, committed: CommittedBlock) -> None:
        """Take over a committed block; to be followed by `Ledger.folded` of every ledger that stands on this base."""
        self._write(committed)
        self._tree.fold(committed.delta)

    def settle(self) -> None:
        """Make ready for another ledger to start on this base, as after a restart."""
        self._tree.settle()

    def _write(self, committed: CommittedBlock) -> None:
        for write in committed.writes:
            if write.value is None:
                self._values.pop(write.path, None)
            else:
                self._values[write.path] = write.value
        self._buckets.update(committed.buckets)
