"""The tables of the SQLite store, and how an older file becomes a newer one."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from noded.storage.errors import SchemaTooNew, SchemaTooOld, StoreCorrupt

APPLICATION_ID: Final = 0x6E6F6465
"""`node` in ASCII, in the file's header: tells a store from other SQLite files."""

PAGE_BYTES: Final = 4096
"""The file system's own unit. Measured: 1 KiB pages cost a random write twice as much, 8 KiB a fifth more."""

TABLES = """
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    header BLOB NOT NULL
);
-- Apart from the headers, so that pruning deletes rows instead of rewriting them.
CREATE TABLE bodies (
    height INTEGER PRIMARY KEY,
    events BLOB NOT NULL,
    receipts BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE certificates (
    height INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);
-- Paths are random, so a new one changes a page of its own: short rows make these pages few.
CREATE TABLE state (
    path BLOB PRIMARY KEY,
    leaf BLOB NOT NULL,
    place INTEGER NOT NULL
) WITHOUT ROWID;
-- What is long is appended.
CREATE TABLE contents (
    place INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    value BLOB NOT NULL
);
-- The roots of all buckets at one height, and what changed since; see tree.py.
CREATE TABLE tree_base (
    height INTEGER PRIMARY KEY,
    roots BLOB NOT NULL
);
CREATE TABLE tree_delta (
    height INTEGER PRIMARY KEY,
    roots BLOB NOT NULL
);
-- "index" is a word of SQL.
CREATE TABLE listing (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
-- A place by 16 bytes of the hash; the few whose first 8 bytes collide stand in the second table.
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY,
    rest INTEGER NOT NULL,
    place INTEGER NOT NULL
);
CREATE TABLE transactions_collided (
    hash BLOB PRIMARY KEY,
    place INTEGER NOT NULL
) WITHOUT ROWID;
-- With a rowid: batches are large, and are appended instead of spread by hash.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    height INTEGER,
    data BLOB NOT NULL
);
CREATE INDEX batches_by_height ON batches (height) WHERE height IS NOT NULL;
CREATE TABLE sidecars (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    expires INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX sidecars_by_expiry ON sidecars (expires);
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A version of the tables, and the SQL that leads to it from each earlier one."""

    version: int
    tables: str
    """SQL that makes all tables in an empty file."""
    upgrades: MappingProxyType[int, str] = field(default_factory=lambda: MappingProxyType({}))
    """Version → SQL that leads from it to the next; one for each version from the oldest that can be led here."""

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the tables in an empty file, and stamp it."""
        connection.executescript(f"PRAGMA page_size = {PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;")
        connection.executescript(
            f"BEGIN IMMEDIATE; {self.tables}; PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {self.version}; COMMIT;"
        )

    def why_too_old(self, path: Path, found: int) -> SchemaTooOld:
        """What is to be done with a store of this earlier version."""
        can_be_led = all(version in self.upgrades for version in range(found, self.version))
        return SchemaTooOld(path, found, self.version, can_be_led=can_be_led)

    def upgrade(self, connection: sqlite3.Connection, found: int) -> None:
        """Lead the tables from version `found` to this one, in one transaction."""
        steps = "".join(f"{self.upgrades[version]};" for version in range(found, self.version))
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {self.version}; COMMIT;")

    def check(self, connection: sqlite3.Connection, path: Path) -> None:
        """
        Pass if the file has exactly this version (S6).

        Raises:
            SchemaTooNew: A newer program wrote it.
            SchemaTooOld: It must be migrated first, or cannot be.
            StoreCorrupt: It is a SQLite file, but no store.
        """
        found = stored_version(connection, path)
        if found > self.version:
            raise SchemaTooNew(path, found, self.version)
        if found < self.version:
            raise self.why_too_old(path, found)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the file has no tables yet."""
    (count,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return bool(count == 0)


def stored_version(connection: sqlite3.Connection, path: Path) -> int:
    """
    The schema version of a store's file.

    Raises:
        StoreCorrupt: It is a SQLite file, but no store.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise StoreCorrupt(path, "another program made it")
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


SCHEMA: Final = Schema(version=3, tables=TABLES)
"""Nothing leads here from versions 1 and 2: their states are under roots of another tree (H3), which their chains have in them."""
