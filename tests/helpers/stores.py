"""Stores of both kinds, and all that one of them holds."""

import sqlite3
from pathlib import Path
from typing import Any

from noded.crypto.hashing import HASH_BYTES
from noded.crypto.sparse_merkle import BUCKETS
from noded.storage.memory import MemoryStore
from noded.storage.sqlite import SqliteStore
from noded.storage.store import (
    CommitBatch,
    IndexRow,
    Sidecar,
    Store,
    StoredBatch,
)
from tests.helpers.store_rows import hash_of, make_blocks, make_place, make_row


class Restartable:
    """A store that a test can close and open again."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.store: Store = MemoryStore() if path is None else SqliteStore(path)

    def reopen(self) -> Store:
        if self._path is None:
            assert isinstance(self.store, MemoryStore)
            self.store = self.store.crash()
        else:
            self.store.close()
            self.store = SqliteStore(self._path)
        return self.store


def everything() -> CommitBatch:
    return CommitBatch(
        blocks=make_blocks(0, 2),
        state_puts=[make_row("a"), make_row("b")],
        bucket_roots=[(7, hash_of("root 7")), (65535, hash_of("root 65535"))],
        index_puts=[IndexRow(b"k/1", b"1"), IndexRow(b"k/2", b"2")],
        transactions=[make_place("t", height=2, position=5)],
        batches=[StoredBatch(hash_of("batch"), 1, b"batch"), StoredBatch(hash_of("open"), None, b"open")],
        sidecars=[Sidecar(hash_of("wrap"), 100, b"wrap")],
        meta=[("chain", b"id")],
    )


def roots_of(store: Store) -> list[tuple[int, bytes]]:
    """The buckets that were written, with their roots."""
    blob = store.bucket_roots()
    assert len(blob) == BUCKETS * HASH_BYTES
    roots = [(bucket, blob[bucket * HASH_BYTES : (bucket + 1) * HASH_BYTES]) for bucket in range(BUCKETS)]
    return [(bucket, root) for bucket, root in roots if root != bytes(HASH_BYTES)]


def read_everything(store: Store) -> list[Any]:
    return [
        store.tip(),
        [store.block(height) for height in range(4)],
        [store.block_height(hash_of(f"block {height}")) for height in range(4)],
        store.state_rows(b"", 10),
        roots_of(store),
        store.index_range(b"", b"", 10),
        store.transaction(hash_of("t")),
        store.batch(hash_of("batch")),
        store.batch(hash_of("open")),
        store.sidecar(hash_of("wrap")),
        store.meta("chain"),
        store.events(0, 10),
    ]


def pragma(connection: sqlite3.Connection, name: str) -> Any:
    """What SQLite says of one of its settings."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]
