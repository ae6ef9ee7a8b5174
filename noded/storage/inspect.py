"""Looking into a store: is it whole, and what takes the space."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noded.crypto.hashing import HASH_BYTES, ZERO_HASH
from noded.crypto.sparse_merkle import bucket_root, leaf_of, path_of
from noded.storage.connection import connect, translated
from noded.storage.errors import StoreMissing
from noded.storage.schema import SCHEMA
from noded.storage.sqlite import open_reader
from noded.storage.sqlite_reader import SqliteReader

FINDINGS_MAX: Final = 100
"""After so many a store is damaged beyond doubt."""


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
    with translated(path), closing(connect(path)) as connection:
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


def check_tables(path: Path) -> Iterator[str]:
    """What is wrong with SQLite's own structure and the chain of heights, as sentences; not with the values."""
    if not path.exists():
        raise StoreMissing(path)
    whole = True
    for finding in _check_structure(path):
        whole = False
        yield finding
    if whole:
        yield from _check_heights(path)


def _check_structure(path: Path) -> Iterator[str]:
    with translated(path), closing(connect(path)) as connection:
        SCHEMA.check(connection, path)
        for (finding,) in connection.execute(f"PRAGMA integrity_check({FINDINGS_MAX})"):
            if finding != "ok":
                yield f"SQLite: {finding}"


def _check_heights(path: Path) -> Iterator[str]:
    with translated(path), closing(connect(path)) as connection:
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
        [keys] = connection.execute("SELECT count(*) FROM state").fetchone()
        [contents] = connection.execute("SELECT count(*) FROM contents").fetchone()
        if keys != contents:
            yield f"state has {keys} keys, contents has {contents}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBuckets:
    """What the rows of consecutive buckets of a state give."""

    rows: int
    roots: bytes
    """Computed from the values, side by side."""
    findings: tuple[str, ...]
    """What contradicts the stored leaves and roots, at most FINDINGS_MAX."""


def check_buckets(path: Path, first: int, end: int) -> CheckedBuckets:
    """
    Compute the roots of the buckets `first` to `end` - 1 from nothing but the values of their keys.

    Raises:
        StorageError: The store cannot be read.
    """
    with closing(open_reader(path)) as reader, reader.snapshot():
        return check_rows(reader, first, end)


def check_rows(reader: SqliteReader, first: int, end: int) -> CheckedBuckets:
    """As `check_buckets`, within a reader's snapshot; about 7 µs a row."""
    findings: list[str] = []
    spoilt: dict[int, None] = {}
    computed: list[bytes] = []
    stored = reader.bucket_roots()
    rows, leaves, current = 0, list[bytes](), first
    for row_path, leaf, key, value in reader.state_scan(first, end):
        rows += 1
        bucket = row_path[0] << 8 | row_path[1]
        if bucket != current:
            computed.append(bucket_root(b"".join(leaves)))
            computed += [ZERO_HASH] * (bucket - current - 1)
            leaves, current = [], bucket
        own = leaf_of(value)
        leaves += (row_path, own)
        if path_of(key) != row_path or own != leaf:
            spoilt[bucket] = None
            if len(findings) < FINDINGS_MAX:
                findings.append(_explain(row_path, key, own, leaf))
    computed.append(bucket_root(b"".join(leaves)))
    computed += [ZERO_HASH] * (end - current - 1)
    roots = b"".join(computed)
    if roots != stored[first * HASH_BYTES : end * HASH_BYTES]:
        findings += [
            f"the root of bucket {bucket} does not belong to its leaves"
            for bucket, root in enumerate(computed, first)
            if root != stored[bucket * HASH_BYTES : (bucket + 1) * HASH_BYTES] and bucket not in spoilt
        ]
    return CheckedBuckets(rows=rows, roots=roots, findings=tuple(findings[:FINDINGS_MAX]))


def _explain(path: bytes, key: bytes, computed: bytes, leaf: bytes) -> str:
    if computed != leaf:
        return f"the value of key {key.hex()} does not belong to its leaf"
    return f"key {key.hex()} does not belong to path {path.hex()}"
