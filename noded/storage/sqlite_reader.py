"""Reading the SQLite store through one connection."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from noded.storage.connection import is_bug, storage_error
from noded.storage.errors import StoreCorrupt
from noded.storage.store import (
    POSITION_MAX,
    BlockEvents,
    IndexRow,
    Sidecar,
    StateRow,
    StoredBatch,
    StoredBlock,
    Tip,
    TransactionPlace,
)
from noded.storage.tree import DELTA_BYTES, BucketRoots

_BUCKET_END: Final = b"\xff" * 30

_STATE_ROWS: Final = "SELECT path, leaf, key, value FROM state CROSS JOIN contents USING (place)"
"""In this order: each key, then its contents."""

_PLACE_SHIFT: Final = 1 + POSITION_MAX.bit_length()


class SqliteReader:
    """A `Reader` of the SQLite store; see there. For one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._execute: Callable[..., sqlite3.Cursor] = connection.cursor().execute

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within it all reads see the store as it was at the first one, and cost less; not nested."""
        assert not self._connection.in_transaction
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(
                sqlite3.Error
            ):  # Where a read has failed, which is what counts, there may be none any more.
                self._connection.execute("COMMIT")

    def state_get(self, path: bytes) -> bytes | None:
        """The value of the key with this path."""
        row = self._one(
            "SELECT value FROM contents WHERE place = (SELECT place FROM state WHERE path = ?)", path
        )
        return None if row is None else row[0]

    def state_bucket(self, bucket: int) -> list[tuple[bytes, bytes]]:
        """Path and leaf hash of each key in the bucket, ascending by path."""
        first = bucket.to_bytes(2, "big")
        return self._all(
            "SELECT path, leaf FROM state WHERE path BETWEEN ? AND ?", first, first + _BUCKET_END
        )

    def state_rows(self, after: bytes, limit: int) -> list[StateRow]:
        """Up to `limit` rows with a path above `after` (b"" for all), ascending by path."""
        rows = self._all(f"{_STATE_ROWS} WHERE path > ? ORDER BY path LIMIT ?", after, limit)
        return [StateRow(*row) for row in rows]

    def state_scan(self, first: int, end: int) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
        """Path, leaf, key and value of all keys in the buckets `first` to `end` - 1, ascending by path."""
        bounds = (first.to_bytes(2, "big"), (end - 1).to_bytes(2, "big") + _BUCKET_END)
        yield from self._scan(f"{_STATE_ROWS} WHERE path BETWEEN ? AND ? ORDER BY path", *bounds)

    def bucket_roots(self) -> bytes:
        """The roots of all buckets side by side, zero where a bucket was never written; 2 MiB, for start-up."""
        return self._load_roots()[0].blob()

    def index_get(self, key: bytes) -> bytes | None:
        """The value of one entry of the index."""
        row = self._one("SELECT value FROM listing WHERE key = ?", key)
        return None if row is None else row[0]

    def index_range(self, prefix: bytes, after: bytes, limit: int) -> list[IndexRow]:
        """Up to `limit` entries whose key begins with `prefix` and is above `after`, ascending by key."""
        lower = ("key > ?", after) if after >= prefix and after else ("key >= ?", prefix)
        conditions, arguments = [lower[0]], [lower[1]]
        upper = _successor(prefix)
        if upper is not None:
            conditions.append("key < ?")
            arguments.append(upper)
        rows = self._all(
            f"SELECT key, value FROM listing WHERE {' AND '.join(conditions)} ORDER BY key LIMIT ?",
            *arguments,
            limit,
        )
        return [IndexRow(*row) for row in rows]

    def tip(self) -> Tip | None:
        """The highest block; None in an empty store."""
        row = self._one("SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1")
        return None if row is None else Tip(*row)

    def block(self, height: int) -> StoredBlock | None:
        """The block at this height."""
        row = self._one(
            "SELECT hash, header, body, receipts, events, certificates.data FROM blocks"
            " LEFT JOIN bodies USING (height) LEFT JOIN certificates USING (height) WHERE height = ?",
            height,
        )
        if row is None:
            return None
        hash_, header, body, receipts, events, certificate = row
        return StoredBlock(
            height=height,
            hash=hash_,
            header=header,
            body=body,
            receipts=receipts,
            events=events,
            certificate=certificate,
        )

    def header_scan(self, first: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Height, hash and header of all blocks from height `first` on, ascending."""
        sql = "SELECT height, hash, header FROM blocks WHERE height >= ? ORDER BY height"
        yield from self._scan(sql, first)

    def certificate_scan(self) -> Iterator[tuple[int, bytes]]:
        """Height and certificate of all blocks that have one, ascending."""
        yield from self._scan("SELECT height, data FROM certificates ORDER BY height")

    def body_heights(self) -> tuple[int, int] | None:
        """The first and the last height of which the body is kept; None if there is none."""
        first, last = self._one("SELECT min(height), max(height) FROM bodies")
        return None if first is None else (first, last)

    def sidecar_scan(self) -> Iterator[Sidecar]:
        """All sidecars."""
        for row in self._scan("SELECT hash, expires, data FROM sidecars ORDER BY id"):
            yield Sidecar(*row)

    def block_height(self, hash: bytes) -> int | None:
        """The height of the block with this hash."""
        row = self._one("SELECT height FROM blocks WHERE hash = ?", hash)
        return None if row is None else row[0]

    def batch(self, hash: bytes) -> StoredBatch | None:
        """The batch with this hash."""
        row = self._one("SELECT hash, height, data FROM batches WHERE hash = ?", hash)
        return None if row is None else StoredBatch(*row)

    def sidecar(self, hash: bytes) -> bytes | None:
        """The sidecar bytes with this hash, while they are kept."""
        row = self._one("SELECT data FROM sidecars WHERE hash = ?", hash)
        return None if row is None else row[0]

    def transaction(self, hash: bytes) -> TransactionPlace | None:
        """Where the transaction stands."""
        id_, rest = transaction_id(hash)
        row = self._one("SELECT place, rest FROM transactions WHERE id = ?", id_)
        if row is not None and row[1] != rest:
            row = self._one("SELECT place FROM transactions_collided WHERE hash = ?", hash)
        return None if row is None else decode_place(hash, row[0])

    def events(self, first: int, limit: int) -> list[BlockEvents]:
        """Events of up to `limit` blocks from height `first` on, ascending; pruned heights are left out."""
        rows = self._all(
            "SELECT height, events FROM bodies WHERE height >= ? ORDER BY height LIMIT ?", first, limit
        )
        return [BlockEvents(*row) for row in rows]

    def meta(self, key: str) -> bytes | None:
        """A named value."""
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else row[0]

    def close(self) -> None:
        """Release the files."""
        self._connection.close()

    def _load_roots(self) -> tuple[BucketRoots, int]:
        """The roots of all buckets, and how many changed since the last whole blob."""
        base = self._one("SELECT height, roots FROM tree_base ORDER BY height DESC LIMIT 1")
        height, blob = (-1, b"") if base is None else base
        deltas = [
            row[0]
            for row in self._all("SELECT roots FROM tree_delta WHERE height > ? ORDER BY height", height)
        ]
        roots = BucketRoots()
        if not roots.load(blob, deltas):
            raise StoreCorrupt(self._path, "the roots of its state tree have the wrong length")
        return roots, sum(map(len, deltas)) // DELTA_BYTES

    def _scan(self, sql: str, *arguments: object) -> Iterator[Any]:
        """Rows as they are asked for; other reads may come between."""
        try:
            yield from self._connection.cursor().execute(sql, arguments)
        except sqlite3.Error as error:
            if is_bug(error):
                raise
            raise storage_error(self._path, error) from error

    def _one(self, sql: str, *arguments: object) -> Any:
        try:
            return self._execute(sql, arguments).fetchone()
        except sqlite3.Error as error:
            if is_bug(error):
                raise
            raise storage_error(self._path, error) from error

    def _all(self, sql: str, *arguments: object) -> list[Any]:
        try:
            return self._execute(sql, arguments).fetchall()
        except sqlite3.Error as error:
            if is_bug(error):
                raise
            raise storage_error(self._path, error) from error


def transaction_id(hash: bytes) -> tuple[int, int]:
    """The two integers that name a transaction in its table: bytes 0…8 and 8…16 of its hash."""
    return int.from_bytes(hash[:8], "big", signed=True), int.from_bytes(hash[8:16], "big", signed=True)


def encode_place(place: TransactionPlace) -> int:
    """A place as one integer; odd exactly if the transaction took effect."""
    assert 0 <= place.position <= POSITION_MAX
    return place.height << _PLACE_SHIFT | place.position << 1 | place.applied


def decode_place(hash: bytes, encoded: int) -> TransactionPlace:
    """The inverse of `encode_place`."""
    return TransactionPlace(hash, encoded >> _PLACE_SHIFT, (encoded >> 1) & POSITION_MAX, bool(encoded & 1))


def _successor(prefix: bytes) -> bytes | None:
    """The least key above all that begin with `prefix`; None if there is no such key."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes((trimmed[-1] + 1,)) if trimmed else None
