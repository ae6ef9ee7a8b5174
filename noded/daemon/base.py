"""The ledger's durable state, read from the store."""

from noded.crypto.sparse_merkle import Leaf, UpperTree
from noded.ledger.base import HeldBack
from noded.ledger.commit import CommittedBlock
from noded.storage.store import Reader


class StoreBase:
    """The state in a store; its tree is kept in memory, 2.2 MB."""

    def __init__(self, reader: Reader) -> None:
        """Read the roots of all buckets, once."""
        self._reader = reader
        self._tree = HeldBack(UpperTree.from_bucket_roots(reader.bucket_roots()))

    @property
    def upper(self) -> UpperTree:
        """The tree one block behind the store, whose state the last header certifies."""
        return self._tree.upper

    def get(self, path: bytes) -> bytes | None:
        """The value of the key with this path."""
        return self._reader.state_get(path)

    def bucket(self, bucket: int) -> list[Leaf]:
        """Path and leaf hash of each key in a bucket."""
        return self._reader.state_bucket(bucket)

    def fold(self, committed: CommittedBlock) -> None:
        """The store holds this block now."""
        self._tree.fold(committed.delta)
