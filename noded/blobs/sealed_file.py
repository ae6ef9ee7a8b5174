"""
A SQLite file of secrets, each sealed under the institution's data key and bound to its place.

What leaves a row here is erased. Deleted rows are overwritten in the file (`secure_delete`) and the write-ahead log is
emptied. What a disk keeps of blocks it has given up is beyond a program's reach; it is sealed there too.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from noded.blobs.errors import WrongDataKey
from noded.crypto.errors import Undecryptable
from noded.storage.connection import closed_on_error, connect, translated
from noded.storage.files import create_private

DATA_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

_CHECK: Final = b"noded/data-key-check/1"

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS data_key (sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS record_version (
    record BLOB NOT NULL,
    version INTEGER NOT NULL,
    ciphertext BLOB NOT NULL,
    size INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (record, version)
) WITHOUT ROWID;
"""


class SealedFile:
    """The file and the data key over it; usable from any thread."""

    def __init__(self, path: Path, data_key: bytes) -> None:
        """
        Open the file, or make it.

        Args:
            path: The SQLite file.
            data_key: The institution's; DATA_KEY_BYTES. The daemon unlocks it from the keystore.

        Raises:
            WrongDataKey: The file was made with another one.
            StorageError: The file cannot be opened, or is damaged.
        """
        assert len(data_key) == DATA_KEY_BYTES
        self._path = path
        self._aead = AESGCM(data_key)
        self._lock = Lock()
        if not path.exists():
            create_private(path)
        with translated(path), closed_on_error(connect(path)) as connection:
            connection.executescript(_SCHEMA)
            self._check_data_key(connection)
        self._connection = connection

    def seal(self, secret: bytes, place: bytes) -> bytes:
        """Seal a secret for a place; random nonces keep a collision among 2**32 of them under 2**-32."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """
        The secret that was sealed for this place.

        Raises:
            Undecryptable: It was changed, or is another place's.
        """
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise Undecryptable("sealed row") from None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for one query; its errors become StorageError."""
        with self._lock, translated(self._path):
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection within one transaction: all of the block is durable after it, or nothing."""
        with self._lock, translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def forget_deleted(self) -> None:
        """Leave nothing in any of the file's parts of rows that were deleted (B6)."""
        with self._lock, translated(self._path):
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy, "there is one connection, so nobody can hold the log"

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _check_data_key(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT sealed FROM data_key").fetchone()
        if row is None:
            connection.execute("INSERT INTO data_key (sealed) VALUES (?)", (self.seal(b"", _CHECK),))
            return
        try:
            self.open(row[0], _CHECK)
        except Undecryptable:
            raise WrongDataKey(path=str(self._path)) from None
