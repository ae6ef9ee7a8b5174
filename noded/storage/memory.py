"""
The store in memory, with the faults of a disk: for simulations and tests.

What a disk does to an atomic store at a crash is one of four: it fails a commit openly, it fails one that
nevertheless took place, it loses what it called durable, or it damages the file.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import chain, starmap
from types import MappingProxyType
from typing import Final

from noded.storage.errors import DiskFailed, StoreCorrupt, StoreFailed
from noded.storage.store import (
    BlockEvents,
    CommitBatch,
    IndexRow,
    Sidecar,
    StateRow,
    StoredBatch,
    StoredBlock,
    Tip,
    TransactionPlace,
    check_batch,
)
from noded.storage.tree import BucketRoots

NAME: Final = "memory"
"""Stands for the file in errors."""


class CommitFault(Enum):
    """What the disk does to one commit."""

    FAILED = auto()
    """The commit raises, and nothing of it is there after a restart."""
    UNCERTAIN = auto()
    """The commit raises, and all of it is there after a restart."""
    LOST = auto()
    """The commit succeeds; a crash loses it and all after it (a disk that lies about being flushed)."""
    TORN = auto()
    """The commit succeeds; after a crash the store cannot be opened."""


@dataclass(slots=True)
class _Tables:
    """Everything that is stored."""

    blocks: dict[int, StoredBlock] = field(default_factory=dict)
    heights: dict[bytes, int] = field(default_factory=dict)
    state: dict[bytes, StateRow] = field(default_factory=dict)
    buckets: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    """Bucket → path → leaf hash."""
    roots: dict[int, bytes] = field(default_factory=dict)
    index: dict[bytes, bytes] = field(default_factory=dict)
    transactions: dict[bytes, TransactionPlace] = field(default_factory=dict)
    batches: dict[bytes, StoredBatch] = field(default_factory=dict)
    sidecars: dict[bytes, Sidecar] = field(default_factory=dict)
    meta: dict[str, bytes] = field(default_factory=dict)
    tip: Tip | None = None
    index_keys: list[bytes] | None = None
    """Keys of the index, sorted; None when they must be sorted anew."""

    def copy(self) -> "_Tables":
        """An independent copy of the tables; rows are immutable and shared."""
        return _Tables(
            blocks=dict(self.blocks),
            heights=dict(self.heights),
            state=dict(self.state),
            buckets={bucket: dict(leaves) for bucket, leaves in self.buckets.items()},
            roots=dict(self.roots),
            index=dict(self.index),
            transactions=dict(self.transactions),
            batches=dict(self.batches),
            sidecars=dict(self.sidecars),
            meta=dict(self.meta),
            tip=self.tip,
        )


class MemoryStore:
    """A `Store` in memory; see there."""

    def __init__(self, *, faults: Mapping[int, CommitFault] = MappingProxyType({})) -> None:
        """An empty store; `faults` says what happens to the n-th commit from now, counted from 0."""
        self._tables = _Tables()
        self._faults = faults
        self._commits = 0
        self._failed = False
        self._durable: _Tables | None = None
        """What a crash leaves, where that is less than `_tables`."""
        self._torn = False

    def commit(self, batch: CommitBatch) -> None:
        """Write all of the batch durably, or nothing of it."""
        if self._failed:
            raise StoreFailed(NAME)
        check_batch(batch, self._tables.tip)
        fault = self._faults.get(self._commits)
        self._commits += 1
        if fault is CommitFault.FAILED:
            self._failed = True
            raise DiskFailed(NAME, "injected")
        if fault is CommitFault.LOST and self._durable is None:
            self._durable = self._tables.copy()
        if fault is CommitFault.TORN:
            self._torn = True
        _apply(self._tables, batch)
        if fault is CommitFault.UNCERTAIN:
            self._failed = True
            raise DiskFailed(NAME, "injected")

    def checkpoint(self) -> bool:
        """Nothing to copy."""
        return False

    def crash(self, *, faults: Mapping[int, CommitFault] = MappingProxyType({})) -> "MemoryStore":
        """
        The store as a restart finds it; this one must not be used any more.

        Raises:
            StoreCorrupt: A commit was torn.
        """
        if self._torn:
            raise StoreCorrupt(NAME, "injected")
        found = MemoryStore(faults=faults)
        found._tables = self._tables if self._durable is None else self._durable
        return found

    def reader(self) -> "MemoryStore":
        """Another reader, seeing every commit."""
        return copy(self)

    def prune_blocks(self, below: int, limit: int) -> int:
        """Forget body, receipts, events and batches of up to `limit` blocks below this height, lowest first."""
        tables = self._tables
        heights = [
            height for height, block in tables.blocks.items() if height < below and block.body is not None
        ]
        pruned = sorted(heights)[:limit]
        for height in pruned:
            block = tables.blocks[height]
            tables.blocks[height] = replace(block, body=None, receipts=None, events=None)
        tables.batches = {
            hash_: batch
            for hash_, batch in tables.batches.items()
            if batch.height is None or not pruned or not pruned[0] <= batch.height <= pruned[-1]
        }
        return len(pruned)

    def prune_sidecars(self, now: int, limit: int) -> int:
        """Forget up to `limit` sidecars that have expired; returns how many."""
        sidecars = self._tables.sidecars
        expired = [hash_ for hash_, sidecar in sidecars.items() if sidecar.expires <= now][:limit]
        for hash_ in expired:
            del sidecars[hash_]
        return len(expired)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within it all reads see the store as it was at the first one; a commit meanwhile is a bug here."""
        commits = self._commits
        yield
        assert self._commits == commits

    def state_get(self, path: bytes) -> bytes | None:
        """The value of the key with this path."""
        row = self._tables.state.get(path)
        return None if row is None else row.value

    def state_bucket(self, bucket: int) -> list[tuple[bytes, bytes]]:
        """Path and leaf hash of each key in the bucket, ascending by path."""
        return sorted(self._tables.buckets.get(bucket, {}).items())

    def state_rows(self, after: bytes, limit: int) -> list[StateRow]:
        """Up to `limit` rows with a path above `after` (b"" for all), ascending by path."""
        state = self._tables.state
        return [state[path] for path in sorted(path for path in state if path > after)[:limit]]

    def bucket_roots(self) -> bytes:
        """The roots of all buckets side by side, zero where a bucket was never written; 2 MiB, for start-up."""
        roots = BucketRoots()
        roots.apply(list(self._tables.roots.items()))
        return roots.blob()

    def index_get(self, key: bytes) -> bytes | None:
        """The value of one entry of the index."""
        return self._tables.index.get(key)

    def index_range(self, prefix: bytes, after: bytes, limit: int) -> list[IndexRow]:
        """Up to `limit` entries whose key begins with `prefix` and is above `after`, ascending by key."""
        index = self._tables.index
        if self._tables.index_keys is None:
            self._tables.index_keys = sorted(index)
        keys = self._tables.index_keys
        first = bisect_right(keys, after) if after >= prefix and after else bisect_left(keys, prefix)
        rows: list[IndexRow] = []
        for key in keys[first : first + limit]:
            if not key.startswith(prefix):
                break
            rows.append(IndexRow(key, index[key]))
        return rows

    def tip(self) -> Tip | None:
        """The highest block; None in an empty store."""
        return self._tables.tip

    def block(self, height: int) -> StoredBlock | None:
        """The block at this height."""
        return self._tables.blocks.get(height)

    def block_height(self, hash: bytes) -> int | None:
        """The height of the block with this hash."""
        return self._tables.heights.get(hash)

    def batch(self, hash: bytes) -> StoredBatch | None:
        """The batch with this hash."""
        return self._tables.batches.get(hash)

    def sidecar(self, hash: bytes) -> bytes | None:
        """The sidecar bytes with this hash, while they are kept."""
        sidecar = self._tables.sidecars.get(hash)
        return None if sidecar is None else sidecar.data

    def transaction(self, hash: bytes) -> TransactionPlace | None:
        """Where the transaction stands."""
        return self._tables.transactions.get(hash)

    def events(self, first: int, limit: int) -> list[BlockEvents]:
        """Events of up to `limit` blocks from height `first` on, ascending; pruned heights are left out."""
        blocks = self._tables.blocks
        rows: list[BlockEvents] = []
        last = -1 if self._tables.tip is None else self._tables.tip.height
        for height in range(first, last + 1):
            block = blocks.get(height)
            if block is not None and block.events is not None:
                rows.append(BlockEvents(height, block.events))
                if len(rows) == limit:
                    break
        return rows

    def meta(self, key: str) -> bytes | None:
        """A named value."""
        return self._tables.meta.get(key)

    def close(self) -> None:
        """Nothing to release."""


def _apply(tables: _Tables, batch: CommitBatch) -> None:
    for block in batch.blocks:
        tables.blocks[block.height] = block
        tables.heights[block.hash] = block.height
        tables.tip = Tip(block.height, block.hash)
    _apply_state(tables, batch)
    tables.roots.update(batch.bucket_roots)
    for key in batch.index_deletes:
        tables.index.pop(key, None)
    tables.index.update(batch.index_puts)
    if batch.index_deletes or batch.index_puts:
        tables.index_keys = None
    _apply_transactions(tables, batch.transactions)
    for new in batch.batches:
        known = tables.batches.get(new.hash)
        tables.batches[new.hash] = known if known is not None and new.height is None else new
    for sidecar in batch.sidecars:
        before = tables.sidecars.get(sidecar.hash)
        expires = sidecar.expires if before is None else max(before.expires, sidecar.expires)
        tables.sidecars[sidecar.hash] = Sidecar(sidecar.hash, expires, sidecar.data)
    tables.meta.update(batch.meta)


def _apply_state(tables: _Tables, batch: CommitBatch) -> None:
    for path in batch.state_deletes:
        if tables.state.pop(path, None) is not None:
            del tables.buckets[_bucket(path)][path]
    assert not any(path in tables.state for path, _, _, _ in batch.state_adds)
    for row in starmap(StateRow, chain(batch.state_adds, batch.state_puts)):
        tables.state[row.path] = row
        tables.buckets.setdefault(_bucket(row.path), {})[row.path] = row.leaf


def _apply_transactions(tables: _Tables, places: Sequence[TransactionPlace]) -> None:
    for place in places:
        known = tables.transactions.get(place.hash)
        if known is None or (place.applied and not known.applied):
            tables.transactions[place.hash] = place


def _bucket(path: bytes) -> int:
    return int.from_bytes(path[:2], "big")
