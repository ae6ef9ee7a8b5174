"""
The store: finalised blocks, the state after them, and indexes; one atomic commit for a block or several.

State is key → value, authenticated by a sparse Merkle tree. A key's path is the hash of the key; the first
two bytes of the path number its bucket, one of 65,536. The store keeps a row for each key with its leaf
hash, and the roots of the buckets; the tree above and within the buckets is computed by the caller.

Everything here is bytes and integers: what they mean is the caller's.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from noded.crypto.hashing import HASH_BYTES

HEIGHT_MAX = (1 << 40) - 1
"""A block every 0.1 s reaches it after 3,400 years; with POSITION_MAX it makes a 62-bit place."""

POSITION_MAX = (1 << 20) - 1
"""Transactions of one block; a megabyte of the smallest holds a hundredth of this."""


class StateRow(NamedTuple):
    """One key of the state."""

    path: bytes
    """Hash of the key; 32 bytes."""
    leaf: bytes
    """Hash of the leaf; 32 bytes."""
    key: bytes
    value: bytes


class TransactionPlace(NamedTuple):
    """Where a transaction stands in the chain."""

    hash: bytes
    height: int
    position: int
    """Among the block's transactions, from 0."""
    applied: bool
    """Whether it took effect; a rejected one has no effect but a receipt."""


class IndexRow(NamedTuple):
    """One entry of the unauthenticated index."""

    key: bytes
    value: bytes


class StoredBatch(NamedTuple):
    """A batch of transactions."""

    hash: bytes
    height: int | None
    """Of the block that names it; None while none does."""
    data: bytes


class Sidecar(NamedTuple):
    """Bytes that travel beside the chain and may be forgotten."""

    hash: bytes
    expires: int
    """First value of the caller's clock (height or time) at which it may be pruned."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlock:
    """A finalised block, and what executing it gave."""

    height: int
    hash: bytes
    header: bytes
    body: bytes | None
    """None once pruned; the header stays."""
    receipts: bytes | None
    """None once pruned."""
    events: bytes | None
    """None once pruned."""
    certificate: bytes | None = None


class BlockEvents(NamedTuple):
    """The events of one block."""

    height: int
    events: bytes


class Tip(NamedTuple):
    """The highest block stored."""

    height: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitBatch:
    """
    What one atomic commit writes.

    Blocks follow the tip without a gap (any height may be first in an empty store). No path is written twice.
    """

    blocks: Sequence[StoredBlock] = ()
    state_adds: Sequence[tuple[bytes, bytes, bytes, bytes]] = ()
    """
    As `StateRow`, of keys that the state lacks: the caller knows, so nobody looks. One that it has is a bug, and fails.

    These and the entries of the index are most of a commit, and a bare tuple is made in a fifth of the time.
    """
    state_puts: Sequence[tuple[bytes, bytes, bytes, bytes]] = ()
    """The same of keys that it has, or may have."""
    state_deletes: Sequence[bytes] = ()
    """Paths."""
    bucket_roots: Sequence[tuple[int, bytes]] = ()
    """New roots of the buckets that changed; only together with blocks."""
    index_puts: Sequence[tuple[bytes, bytes]] = ()
    """As `IndexRow`."""
    index_deletes: Sequence[bytes] = ()
    """Deletes come before puts."""
    transactions: Sequence[TransactionPlace] = ()
    """Of copies of one transaction the first is kept, unless a later one took effect and it did not."""
    batches: Sequence[StoredBatch] = ()
    """A height given later to a batch already stored is added to it."""
    sidecars: Sequence[Sidecar] = ()
    meta: Sequence[tuple[str, bytes]] = ()


class Reader(Protocol):
    """
    Reads what is committed; for one thread at a time.

    All methods may raise StorageError: the machine failed. Anything else is a bug.
    """

    def snapshot(self) -> AbstractContextManager[None]:
        """Within it all reads see the store as it was at the first one, and cost less; not nested."""

    def state_get(self, path: bytes) -> bytes | None:
        """The value of the key with this path."""

    def state_bucket(self, bucket: int) -> list[tuple[bytes, bytes]]:
        """Path and leaf hash of each key in the bucket, ascending by path."""

    def state_rows(self, after: bytes, limit: int) -> list[StateRow]:
        """Up to `limit` rows with a path above `after` (b"" for all), ascending by path."""

    def bucket_roots(self) -> bytes:
        """The roots of all buckets side by side, zero where a bucket was never written; 2 MiB, for start-up."""

    def index_get(self, key: bytes) -> bytes | None:
        """The value of one entry of the index."""

    def index_range(self, prefix: bytes, after: bytes, limit: int) -> list[IndexRow]:
        """
        Up to `limit` entries whose key begins with `prefix` and is above `after`, ascending by key.

        Pass b"" first, then the last key received.
        """

    def tip(self) -> Tip | None:
        """The highest block; None in an empty store."""

    def block(self, height: int) -> StoredBlock | None:
        """The block at this height."""

    def block_height(self, hash: bytes) -> int | None:
        """The height of the block with this hash."""

    def batch(self, hash: bytes) -> StoredBatch | None:
        """The batch with this hash."""

    def sidecar(self, hash: bytes) -> bytes | None:
        """The sidecar bytes with this hash, while they are kept."""

    def transaction(self, hash: bytes) -> TransactionPlace | None:
        """Where the transaction stands."""

    def events(self, first: int, limit: int) -> list[BlockEvents]:
        """Events of up to `limit` blocks from height `first` on, ascending; pruned heights are left out."""

    def meta(self, key: str) -> bytes | None:
        """A named value."""

    def close(self) -> None:
        """Release the files."""


class Store(Reader, Protocol):
    """The one writer, and a reader for the core."""

    def commit(self, batch: CommitBatch) -> None:
        """
        Write all of the batch durably, or nothing of it.

        Raises:
            StorageError: Nothing was written, or (a failure while making it durable) it cannot be known;
                the store must be opened again.
        """

    def checkpoint(self) -> bool:
        """
        Copy the journal into the main file if it has grown; to be called between commits, from their thread.

        Readers and the data's safety are not affected. Without it the journal grows for ever.

        Returns:
            Whether there was enough to copy.
        """

    def reader(self) -> Reader:
        """Another reader, for another thread; its owner closes it."""

    def prune_blocks(self, below: int, limit: int) -> int:
        """
        Forget body, receipts, events and batches of up to `limit` blocks below this height, lowest first.

        Headers, certificates and state stay, so proofs of what is kept do too.

        Returns:
            Blocks pruned; 0 when there is nothing left to prune.
        """

    def prune_sidecars(self, now: int, limit: int) -> int:
        """Forget up to `limit` sidecars that have expired; returns how many."""


def check_batch(batch: CommitBatch, tip: Tip | None) -> None:
    """Assert what `CommitBatch` promises, as far as it is cheap; every store calls it."""
    next_height = None if tip is None else tip.height + 1
    for block in batch.blocks:
        assert next_height is None or block.height == next_height, (block.height, next_height)
        assert len(block.hash) == HASH_BYTES
        assert 0 <= block.height <= HEIGHT_MAX
        assert block.body is not None
        assert block.receipts is not None
        assert block.events is not None
        next_height = block.height + 1
    assert not batch.bucket_roots or batch.blocks, "bucket roots belong to a block"
    paths = {path for path, _, _, _ in batch.state_adds}
    paths.update(path for path, _, _, _ in batch.state_puts)
    assert len(paths) == len(batch.state_adds) + len(batch.state_puts)
    assert paths.isdisjoint(batch.state_deletes)
