"""Looking into a store: is it whole, and what takes the space."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noded.crypto.hashing import HASH_BYTES
from noded.crypto.sparse_merkle import BUCKETS, bucket_of, bucket_root, leaf_hash, path_of
from noded.storage.connection import READER_CACHE_KIB, connect, translated
from noded.storage.errors import StoreCorrupt, StoreMissing
from noded.storage.schema import SCHEMA
from noded.storage.sqlite import open_reader

ROWS_PER_READ: Final = 4096

FINDINGS_MAX: Final = 100
"""After so many the store is damaged beyond doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """What one table takes, its indexes included."""

    name: str
    rows: int
    bytes: int


def table_sizes(path: Path) -> list[TableSize]:
    """
    The tables of a store, largest first.

    Raises:
        StorageError: The store cannot be read.
    """
    if not path.exists():
        raise StoreMissing(path)
    with translated(path), closing(connect(path, cache_kib=READER_CACHE_KIB)) as connection:
        SCHEMA.check(connection, path)
        sizes = connection.execute(
            "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name"
        ).fetchall()
        return sorted(
            (
                TableSize(
                    name=name,
                    rows=connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0],
                    bytes=size,
                )
                for name, size in sizes
            ),
            key=lambda table: (-table.bytes, table.name),
        )


def check_store(path: Path) -> Iterator[str]:
    """
    What is wrong with a store, as sentences, at most FINDINGS_MAX; nothing if it is whole.

    Reads all of it: SQLite's own structure, the chain of heights, every key's leaf and every bucket's root.
    Whether the root over the buckets is the chain's is for the caller, who knows the headers.
    """
    for count, finding in enumerate(_findings(path), 1):
        yield finding
        if count == FINDINGS_MAX:
            yield "and more"
            return


def _findings(path: Path) -> Iterator[str]:
    try:
        whole = True
        for finding in _check_structure(path):
            whole = False
            yield finding
        if whole:
            yield from _check_heights(path)
            yield from _check_state(path)
    except StoreCorrupt as error:
        yield str(error)


def _check_structure(path: Path) -> Iterator[str]:
    with translated(path), closing(connect(path, cache_kib=READER_CACHE_KIB)) as connection:
        SCHEMA.check(connection, path)
        for (finding,) in connection.execute(f"PRAGMA integrity_check({FINDINGS_MAX})"):
            if finding != "ok":
                yield f"SQLite: {finding}"


def _check_heights(path: Path) -> Iterator[str]:
    with translated(path), closing(connect(path, cache_kib=READER_CACHE_KIB)) as connection:
        gaps = connection.execute(
            "SELECT height FROM blocks AS block WHERE height < (SELECT max(height) FROM blocks)"
            " AND NOT EXISTS (SELECT 1 FROM blocks WHERE height = block.height + 1)"
        )
        for (height,) in gaps:
            yield f"the block after height {height} is missing"
        for table in ("bodies", "certificates", "tree_delta", "tree_base"):
            strays = connection.execute(
                f"SELECT height FROM {table} WHERE height NOT IN (SELECT height FROM blocks)"
            )
            for (height,) in strays:
                yield f"{table} has height {height}, blocks does not"


def _check_state(path: Path) -> Iterator[str]:
    with closing(open_reader(path)) as reader, reader.snapshot():
        roots = reader.bucket_roots()
        checked, leaves = 0, list[tuple[bytes, bytes]]()
        after = b""
        while rows := reader.state_rows(after, ROWS_PER_READ):
            after = rows[-1].path
            for row in rows:
                if row.path != path_of(row.key):
                    yield f"key {row.key.hex()} does not belong to path {row.path.hex()}"
                if row.leaf != leaf_hash(row.path, row.value):
                    yield f"the value of key {row.key.hex()} does not belong to its leaf"
                bucket = bucket_of(row.path)
                if bucket != checked:
                    yield from _check_buckets(roots, checked, bucket, leaves)
                    checked, leaves = bucket, []
                leaves.append((row.path, row.leaf))
        yield from _check_buckets(roots, checked, BUCKETS, leaves)


def _check_buckets(roots: bytes, first: int, end: int, leaves: list[tuple[bytes, bytes]]) -> Iterator[str]:
    """The bucket `first`, which has these leaves, and those up to `end`, which have none."""
    if roots[first * HASH_BYTES : (first + 1) * HASH_BYTES] != bucket_root(leaves):
        yield f"the root of bucket {first} does not belong to its leaves"
    for bucket in range(first + 1, end):
        if any(roots[bucket * HASH_BYTES : (bucket + 1) * HASH_BYTES]):
            yield f"bucket {bucket} has a root but no leaves"
