"""Opening SQLite connections alike everywhere, and naming what goes wrong with them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from noded.errors import StorageError
from noded.storage.errors import DiskFailed, DiskFull, FileReadOnly, StoreCorrupt, StoreLocked

BUSY_TIMEOUT_MS: Final = 5_000
"""Patience with another process's lock: a backup or a look with the sqlite3 tool, not a second node."""

CACHE_KIB: Final = 2 * 1024
"""
Pages of 4 KiB that a connection keeps: upper levels of the trees; the kernel caches the rest.

A node has five connections. With 700,000 keys neither commits of 3,000 operations nor reads are slower than with 8 MiB,
and with 1 MiB they are not yet: what a commit changes goes through the journal anyway, in the order of the pages.
"""

STATEMENTS: Final = 64
"""Compiled statements kept by a connection; more than there are."""

sqlite3.register_adapter(bytes, bytes)
# Without an adapter the module looks for methods that bytes do not have, for each of them: a tenth of an insert.

_FULL = {sqlite3.SQLITE_FULL}
_UNWRITTEN = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit, usable from any one thread at a time."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS,
    )
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hand the connection out; close it if the block fails."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def storage_error(path: Path, error: sqlite3.Error) -> StorageError:
    """What a SQLite error means to the operator."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # From the Python module: a text that is none.
        return StoreCorrupt(path, str(error))
    primary = code & 0xFF  # An extended code carries its primary in the low byte.
    if primary in _FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:  # The journal's index could not grow.
        return DiskFull(path)
    if primary in _CORRUPT:
        return StoreCorrupt(path, str(error))
    if primary in _LOCKED:
        return StoreLocked(path)
    if primary in _READ_ONLY:
        return FileReadOnly(path)
    return DiskFailed(path, str(error))


def is_bug(error: sqlite3.Error) -> bool:
    """Whether our SQL or its arguments are at fault, not the machine."""
    return isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.IntegrityError)


@contextmanager
def written_to(target: Path) -> Iterator[None]:
    """Name the target where it cannot be written: else a copy fails under the name of what is read."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in _UNWRITTEN:
            raise storage_error(target, error) from error
        raise


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as StorageError; a bug of ours stays what it is."""
    try:
        yield
    except sqlite3.Error as error:
        if is_bug(error):
            raise
        raise storage_error(path, error) from error
