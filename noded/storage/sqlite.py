"""
The SQLite store.

One connection writes, under a lock; the store's own reads go through a second one, other threads' through
further ones. The write-ahead journal lets readers go on while a commit is written. It is copied into the
main file between commits (`checkpoint`), never inside one.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Final

from noded.storage.connection import closed_on_error, connect, translated
from noded.storage.errors import StoreFailed, StoreMissing
from noded.storage.files import create_private, os_errors
from noded.storage.schema import PAGE_BYTES, SCHEMA, Schema, is_empty
from noded.storage.sqlite_reader import SqliteReader, encode_place, transaction_id
from noded.storage.store import CommitBatch, Tip, TransactionPlace, check_batch
from noded.storage.tree import DELTA_ENTRIES_MAX, encode_delta

CHECKPOINT_PAGES: Final = 16_384
"""
Pages written to the journal before it is copied into the main file; 64 MiB.

A page that several blocks wrote is copied once: with 100,000 keys, two thirds of the work of 32 MiB. A checkpoint takes
about 150 ms.
"""

WRITER_CACHE_KIB: Final = 8 * 1024
"""
Pages that the writer keeps: of a state of 200,000 keys those that the next commit changes too.

With 2 MiB, as readers have, an operation costs 2 to 2.5 µs of CPU more; from 700,000 keys on nothing.
"""

FREE_PART: Final = 8
"""A file of which less than an eighth is free is not made smaller while a node runs."""

_STATE_ADD = "INSERT INTO state (path, leaf, place) VALUES (?, ?, ?)"
_STATE_PUT = _STATE_ADD + " ON CONFLICT (path) DO UPDATE SET leaf = excluded.leaf"
_CONTENTS_ADD = "INSERT INTO contents (key, value, place) VALUES (?, ?, ?)"
_CONTENTS_PUT = (
    "INSERT INTO contents (key, value, place)"
    " VALUES (?, ?, coalesce((SELECT place FROM state WHERE path = ?), ?))"
    " ON CONFLICT (place) DO UPDATE SET value = excluded.value"
)
_CONTENTS_DELETE = "DELETE FROM contents WHERE place = (SELECT place FROM state WHERE path = ?)"
_TRANSACTION_PUT = (
    "INSERT INTO transactions (id, rest, place) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
    " SET place = excluded.place WHERE rest = excluded.rest AND (excluded.place & 1) > (place & 1)"
)
_COLLIDED_PUT = (
    "INSERT INTO transactions_collided (hash, place) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE"
    " SET place = excluded.place WHERE (excluded.place & 1) > (place & 1)"
)
_BATCH_PUT = (
    "INSERT INTO batches (hash, height, data) VALUES (?, ?, ?) ON CONFLICT (hash) DO UPDATE"
    " SET height = excluded.height WHERE excluded.height IS NOT NULL"
)
_SIDECAR_PUT = (
    "INSERT INTO sidecars (hash, expires, data) VALUES (?, ?, ?) ON CONFLICT (hash) DO UPDATE"
    " SET expires = max(expires, excluded.expires)"
)


class SqliteStore(SqliteReader):
    """A `Store` in one SQLite file; see there. Its reads are for one thread, its writes for any."""

    def __init__(self, path: Path, *, schema: Schema = SCHEMA) -> None:
        """
        Open the store, or make an empty one where there is no file.

        Raises:
            SchemaTooNew, SchemaTooOld: Another version of the program wrote it.
            StorageError: The file cannot be used; the message says why.
        """
        if not path.exists():
            with os_errors(path):
                create_private(path)
        with translated(path), closed_on_error(connect(path)) as writer:
            if is_empty(writer):
                schema.create(writer)
            schema.check(writer, path)
            _set_up_writer(writer)
            reader = connect(path)
            reader.execute("PRAGMA query_only = ON")
        super().__init__(path, reader)
        self._writer = writer
        self._lock = Lock()
        self._failed = False
        self._journal_pages = CHECKPOINT_PAGES  # A journal left by a crash is copied at the first chance.
        self._delta_entries = self._load_roots()[1]
        self._tip = self.tip()

    def commit(self, batch: CommitBatch) -> None:
        """Write all of the batch durably, or nothing of it (S1)."""
        with self._lock:
            check_batch(batch, self._tip)
            with self._transaction():
                delta_entries = self._write(batch)
            self._delta_entries = delta_entries
            if batch.blocks:
                self._tip = Tip(batch.blocks[-1].height, batch.blocks[-1].hash)
            self._journal_pages += _pages(batch)

    def checkpoint(self) -> bool:
        """
        Copy the journal into the main file if it has grown; to be called between commits, from their thread.

        Readers and the data's safety are not affected. Without it the journal grows for ever.

        Returns:
            Whether there was enough to copy.
        """
        with self._lock:
            if self._journal_pages < CHECKPOINT_PAGES:
                return False
            with translated(self._path):
                self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._journal_pages = 0
            return True

    def reader(self) -> SqliteReader:
        """Another reader, for another thread; its owner closes it."""
        return open_reader(self._path)

    def prune_blocks(self, below: int, limit: int) -> int:
        """Forget body, receipts, events and batches of up to `limit` blocks below this height, lowest first."""
        with self._lock, self._transaction():
            rows = self._writer.execute(
                "SELECT height FROM bodies WHERE height < ? ORDER BY height LIMIT ?", (below, limit)
            ).fetchall()
            if rows:
                span = (rows[0][0], rows[-1][0])
                self._writer.execute("DELETE FROM bodies WHERE height BETWEEN ? AND ?", span)
                self._writer.execute("DELETE FROM batches WHERE height BETWEEN ? AND ?", span)
            return len(rows)

    def prune_sidecars(self, now: int, limit: int) -> int:
        """Forget up to `limit` sidecars that have expired; returns how many."""
        with self._lock, self._transaction():
            return self._writer.execute(
                "DELETE FROM sidecars WHERE id IN (SELECT id FROM sidecars WHERE expires <= ? LIMIT ?)",
                (now, limit),
            ).rowcount

    def reclaim(self) -> None:
        """Give the space of what was pruned back to the file system."""
        with self._lock, translated(self._path):
            # Through `execute` the pragma frees a single page.
            self._writer.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")

    def reclaim_some(self, pages: int) -> bool:
        """
        The same a part at a time, between commits, and only while much of the file is free: new blocks take the rest.

        Returns:
            Whether there was enough to give back.
        """
        with self._lock, translated(self._path):
            [free] = self._writer.execute("PRAGMA freelist_count").fetchone()
            [size] = self._writer.execute("PRAGMA page_count").fetchone()
            if free * FREE_PART < max(size, FREE_PART * pages):
                return False
            self._writer.executescript(f"PRAGMA incremental_vacuum({pages});")
            self._journal_pages += pages
            return True

    def close(self) -> None:
        """Release the files; the journal is copied into the main file first."""
        super().close()
        with self._lock:
            self._writer.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One atomic change; once one has failed no more are accepted: what the disk holds is not known."""
        if self._failed:
            raise StoreFailed(self._path)
        try:
            with translated(self._path):
                self._writer.execute("BEGIN IMMEDIATE")
                yield
                self._writer.execute("COMMIT")
        except BaseException:
            self._failed = True
            if self._writer.in_transaction:  # Some errors of SQLite end it.
                self._writer.execute("ROLLBACK")
            raise

    def _write(self, batch: CommitBatch) -> int:
        """All rows of the batch; returns how many bucket roots changed since their last whole blob."""
        many = self._writer.executemany
        self._write_state(batch)
        many("DELETE FROM listing WHERE key = ?", ((key,) for key in batch.index_deletes))
        many("INSERT OR REPLACE INTO listing (key, value) VALUES (?, ?)", sorted(batch.index_puts))
        self._write_transactions(batch.transactions)
        many(_BATCH_PUT, batch.batches)
        many(_SIDECAR_PUT, batch.sidecars)
        many("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", batch.meta)
        self._write_blocks(batch)
        return self._write_roots(batch)

    def _write_state(self, batch: CommitBatch) -> None:
        many = self._writer.executemany
        if batch.state_deletes:
            many(_CONTENTS_DELETE, ((path,) for path in batch.state_deletes))
            many("DELETE FROM state WHERE path = ?", ((path,) for path in batch.state_deletes))
        [last] = self._writer.execute("SELECT coalesce(max(place), 0) FROM contents").fetchone()
        added = sorted(batch.state_adds)  # In the order of the pages.
        many(_CONTENTS_ADD, ((key, value, at) for at, (_, _, key, value) in enumerate(added, last + 1)))
        many(_STATE_ADD, ((path, leaf, at) for at, (path, leaf, _, _) in enumerate(added, last + 1)))
        last += len(added)
        put = sorted(batch.state_puts)
        many(
            _CONTENTS_PUT, ((key, value, path, at) for at, (path, _, key, value) in enumerate(put, last + 1))
        )
        many(_STATE_PUT, ((path, leaf, at) for at, (path, leaf, _, _) in enumerate(put, last + 1)))

    def _write_blocks(self, batch: CommitBatch) -> None:
        many = self._writer.executemany
        many(
            "INSERT INTO blocks (height, hash, header) VALUES (?, ?, ?)",
            [(block.height, block.hash, block.header) for block in batch.blocks],
        )
        many(
            "INSERT INTO bodies (height, events, receipts, body) VALUES (?, ?, ?, ?)",
            [(block.height, block.events, block.receipts, block.body) for block in batch.blocks],
        )
        many(
            "INSERT INTO certificates (height, data) VALUES (?, ?)",
            [(block.height, block.certificate) for block in batch.blocks if block.certificate is not None],
        )

    def _write_transactions(self, places: Sequence[TransactionPlace]) -> None:
        rows = [(*transaction_id(place.hash), encode_place(place)) for place in places]
        rows.sort(key=itemgetter(0))  # In the order of the pages; copies stay in theirs.
        written = self._writer.executemany(_TRANSACTION_PUT, rows).rowcount if rows else 0
        if written == len(rows):
            return
        # Some were copies, or share 8 bytes with another: the rare case, so one by one.
        for place in places:
            id_, rest = transaction_id(place.hash)
            (found,) = self._writer.execute("SELECT rest FROM transactions WHERE id = ?", (id_,)).fetchone()
            if found != rest:
                self._writer.execute(_COLLIDED_PUT, (place.hash, encode_place(place)))

    def _write_roots(self, batch: CommitBatch) -> int:
        if not batch.bucket_roots:
            return self._delta_entries
        height = batch.blocks[-1].height
        entries = self._delta_entries + len(batch.bucket_roots)
        if entries <= DELTA_ENTRIES_MAX:
            self._writer.execute(
                "INSERT INTO tree_delta (height, roots) VALUES (?, ?)",
                (height, encode_delta(batch.bucket_roots)),
            )
            return entries
        roots, _ = SqliteReader(self._path, self._writer)._load_roots()
        roots.apply(batch.bucket_roots)
        self._writer.execute("DELETE FROM tree_delta")
        self._writer.execute("DELETE FROM tree_base")
        self._writer.execute(
            "INSERT INTO tree_base (height, roots) VALUES (?, ?)",
            (height, roots.blob()),
        )
        return 0


def open_reader(path: Path) -> SqliteReader:
    """
    A reader of the store of a running or a stopped node.

    Raises:
        StoreMissing: There is no such file.
        SchemaTooNew, SchemaTooOld: Another version of the program wrote it.
        StorageError: The file cannot be used; the message says why.
    """
    if not path.exists():
        raise StoreMissing(path)
    with translated(path), closed_on_error(connect(path)) as connection:
        SCHEMA.check(connection, path)
        connection.execute("PRAGMA query_only = ON")
        return SqliteReader(path, connection)


def _set_up_writer(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA temp_store = MEMORY")


def _pages(batch: CommitBatch) -> int:
    """About how many pages the batch wrote: one for a random row, and those of the long values."""
    rows = len(batch.state_adds) + len(batch.state_puts) + len(batch.state_deletes) + len(batch.transactions)
    rows += len(batch.index_puts) + len(batch.index_deletes)
    long = sum(len(row.data) for row in batch.batches) + sum(len(row.data) for row in batch.sidecars)
    long += sum(len(block.receipts or b"") + len(block.events or b"") for block in batch.blocks)
    return rows + long // PAGE_BYTES
