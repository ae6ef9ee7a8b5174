"""The state of the last block that is durable: what a ledger stands on."""

from typing import Protocol

from noded.crypto.sparse_merkle import Leaf, UpperTree, bucket_of
from noded.ledger.commit import CommittedBlock


class StateBase(Protocol):
    """
    A store's state, read by path.

    It may show blocks that were committed but not yet reported by `Ledger.folded`; never any others. `upper` is
    the tree of the last block so reported.
    """

    @property
    def upper(self) -> UpperTree:
        """The upper nodes of the state's tree."""

    def get(self, path: bytes) -> bytes | None:
        """The value of the key with this path; None where there is none."""

    def bucket(self, bucket: int) -> list[Leaf]:
        """Path and leaf hash of each key in a bucket, in any order."""


class MemoryBase:
    """A state in memory, for the simulator and tests."""

    def __init__(self, founding: CommittedBlock) -> None:
        """Start with the state of the genesis block."""
        self.upper = UpperTree()
        self._values: dict[bytes, bytes] = {}
        self._buckets: dict[int, dict[bytes, bytes]] = {}
        self.fold(founding)

    def get(self, path: bytes) -> bytes | None:
        """The value of the key with this path."""
        return self._values.get(path)

    def bucket(self, bucket: int) -> list[Leaf]:
        """Path and leaf hash of each key in a bucket."""
        return list(self._buckets.get(bucket, {}).items())

    def fold(self, committed: CommittedBlock) -> None:
        """Take over a committed block; to be followed by `Ledger.folded` of every ledger that stands on this base."""
        for write in committed.writes:
            leaves = self._buckets.setdefault(bucket_of(write.path), {})
            if write.value is None or write.leaf is None:
                self._values.pop(write.path, None)
                leaves.pop(write.path, None)
            else:
                self._values[write.path] = write.value
                leaves[write.path] = write.leaf
        self.upper.fold(committed.delta)
