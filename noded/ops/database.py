"""Figures of a home's store, and its migration."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from noded.ops.home import SNAPSHOTS_NAME, STORE_NAME, WAL_NAME
from noded.storage.files import os_errors
from noded.storage.inspect import TableSize, table_sizes
from noded.storage.lock import HomeLock
from noded.storage.schema import SCHEMA
from noded.storage.snapshot import migrate as migrate_store
from noded.storage.sqlite import open_reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a store holds, and what it takes."""

    schema: int
    height: int
    """Of the last block; -1 in an empty store."""
    first_body: int | None
    """The lowest height whose transactions are kept."""
    store_bytes: int
    """The file."""
    journal_bytes: int
    """Written and not yet copied into the file."""
    log_bytes: int
    """The write-ahead log of the consensus."""
    tables: tuple[TableSize, ...]
    """Largest first."""


def figures(home: Path) -> Figures:
    """
    What a home's store holds; the node may run. Reads the whole file.

    Raises:
        StorageError: It cannot be read.
    """
    store = home / STORE_NAME
    with closing(open_reader(store)) as reader:
        tip, span = reader.tip(), reader.body_heights()
    return Figures(
        schema=SCHEMA.version,
        height=-1 if tip is None else tip.height,
        first_body=None if span is None else span[0],
        store_bytes=_size(store),
        journal_bytes=_size(store.with_name(store.name + "-wal")),
        log_bytes=_size(home / WAL_NAME),
        tables=tuple(table_sizes(store)),
    )


def migrate(home: Path) -> Path | None:
    """
    Lead a home's store to this program's schema, after a snapshot of what it was.

    Returns:
        The snapshot; None if there was nothing to do.

    Raises:
        HomeLocked: The node runs.
        SchemaTooNew, SchemaTooOld: Nothing leads from the store's version to this program's.
        StorageError: It failed; the store is as before.
    """
    with HomeLock(home):
        return migrate_store(home / STORE_NAME, home / SNAPSHOTS_NAME)


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a folder; 0 for nothing."""
    with os_errors(path):
        if path.is_dir():
            return sum(each.stat().st_size for each in path.iterdir())
        return path.stat().st_size if path.exists() else 0
