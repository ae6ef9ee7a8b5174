"""
The custodian's keys of records: of each version a data key and a salt key, sealed under the institution's data key.

A SQLite file of its own. What leaves a row here is erased: without the data key the ciphertext is noise, on every
disk and in every backup it reached; without the salt key the commitment on the ledger is (ledger.md §1).
Destroyed rows are overwritten in the file (`secure_delete`) and the write-ahead log is emptied. What a disk keeps
of blocks it has given up is beyond a program's reach; it is sealed there too, under the data key.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from noded.blobs.errors import KeysCorrupt, RecordHeld, RecordNotHeld, WrongDataKey
from noded.storage.connection import closed_on_error, connect, translated
from noded.storage.files import create_private
from noded.types.medical import CiphertextHash, RecordId, Version

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SECRETS_BYTES: Final = 2 * KEY_BYTES

_CACHE_KIB: Final = 1024
_DOMAIN: Final = b"noded/record-secrets/1"
_CHECK_DOMAIN: Final = b"noded/data-key-check/1"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSecrets:
    """What reading a version of a record takes; destroying it is erasing."""

    data_key: bytes
    """Opens the ciphertext; 32 bytes, used for nothing else."""
    salt_key: bytes
    """Of the commitment; 32 bytes, used for nothing else."""

    def pack(self) -> bytes:
        """Both, as they are wrapped for a reader; SECRETS_BYTES."""
        assert len(self.data_key) == len(self.salt_key) == KEY_BYTES
        return self.data_key + self.salt_key

    def __repr__(self) -> str:
        """Nothing of them: a representation may come into a log."""
        return "RecordSecrets(…)"


def unpack_secrets(data: bytes) -> RecordSecrets:
    """The secrets of which these are `pack`'s bytes."""
    assert len(data) == SECRETS_BYTES
    return RecordSecrets(data_key=data[:KEY_BYTES], salt_key=data[KEY_BYTES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldVersion:
    """A version of a record that this custodian keeps."""

    record: RecordId
    version: Version
    ciphertext: CiphertextHash
    size: int
    """Bytes of content."""
    secrets: RecordSecrets


class RecordKeys:
    """The table of keys; usable from any thread."""

    def __init__(self, path: Path, data_key: bytes) -> None:
        """
        Open the file, or make it.

        Args:
            path: The SQLite file.
            data_key: The institution's; 32 bytes. The daemon unlocks it from the keystore.

        Raises:
            WrongDataKey: The file was made with another one.
            StorageError: The file cannot be opened, or is damaged.
        """
        self._path = path
        self._aead = AESGCM(data_key)
        if not path.exists():
            create_private(path)
        with translated(path), closed_on_error(connect(path, cache_kib=_CACHE_KIB)) as connection:
            connection.executescript(_SCHEMA)
            self._check_data_key(connection)
        self._connection = connection
        self._lock = Lock()

    def add_all(self, versions: Sequence[HeldVersion]) -> None:
        """
        Keep the secrets of versions, all or none; on return they are durable.

        Raises:
            RecordHeld: One of them is kept already.
            StorageError: The disk failed or is full; nothing was kept.
        """
        rows = [
            (held.record, held.version, held.ciphertext, held.size, self._seal(held)) for held in versions
        ]
        with self._transaction() as connection:
            for row in rows:
                done = connection.execute(
                    "INSERT INTO record_version (record, version, ciphertext, size, sealed)"
                    " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    row,
                )
                if done.rowcount != 1:
                    raise RecordHeld(record=row[0], version=row[1])

    def get(self, record: RecordId, version: Version) -> HeldVersion:
        """
        What is kept of a version.

        Raises:
            RecordNotHeld: Nothing: never kept, or destroyed.
            KeysCorrupt: The row was changed by another hand, or the disk.
        """
        with self._lock, translated(self._path):
            row = self._connection.execute(
                "SELECT ciphertext, size, sealed FROM record_version WHERE record = ? AND version = ?",
                (record, version),
            ).fetchone()
        if row is None:
            raise RecordNotHeld(record=record, version=version)
        ciphertext, size, sealed = row
        context = _context(record, version, ciphertext, size)
        try:
            secrets = self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except InvalidTag:
            raise KeysCorrupt(record=record, version=version) from None
        return HeldVersion(
            record=record, version=version, ciphertext=ciphertext, size=size, secrets=unpack_secrets(secrets)
        )

    def versions(self, record: RecordId) -> list[tuple[Version, CiphertextHash]]:
        """The versions of a record that are kept, ascending, and their blobs."""
        with self._lock, translated(self._path):
            return self._connection.execute(
                "SELECT version, ciphertext FROM record_version WHERE record = ? ORDER BY version", (record,)
            ).fetchall()

    def held(
        self, after: tuple[RecordId, Version] | None, limit: int
    ) -> list[tuple[RecordId, Version, CiphertextHash]]:
        """Up to `limit` versions behind one (None: from the first), ascending, and their blobs; for checking."""
        with self._lock, translated(self._path):
            return self._connection.execute(
                "SELECT record, version, ciphertext FROM record_version WHERE (record, version) > (?, ?)"
                " ORDER BY record, version LIMIT ?",
                (*(after or (b"", 0)), limit),
            ).fetchall()

    def destroy(self, record: RecordId) -> int:
        """
        Erase the secrets of all versions of a record, overwriting them in the file; returns how many there were.

        On return it is durable, and no file of this table holds them, sealed or not.
        """
        with self._transaction() as connection:
            destroyed = connection.execute("DELETE FROM record_version WHERE record = ?", (record,)).rowcount
        with self._lock, translated(self._path):
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy, "there is one connection, so nobody can hold the log"
        return destroyed

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _check_data_key(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT sealed FROM data_key").fetchone()
        if row is None:
            nonce = os.urandom(NONCE_BYTES)
            sealed = nonce + self._aead.encrypt(nonce, b"", _CHECK_DOMAIN)
            connection.execute("INSERT INTO data_key (sealed) VALUES (?)", (sealed,))
            return
        try:
            self._aead.decrypt(row[0][:NONCE_BYTES], row[0][NONCE_BYTES:], _CHECK_DOMAIN)
        except InvalidTag:
            raise WrongDataKey(path=str(self._path)) from None

    def _seal(self, held: HeldVersion) -> bytes:
        """Random nonces: 2**32 versions under one data key keep a collision under 2**-32."""
        nonce = os.urandom(NONCE_BYTES)
        context = _context(held.record, held.version, held.ciphertext, held.size)
        return nonce + self._aead.encrypt(nonce, held.secrets.pack(), context)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _context(record: RecordId, version: Version, ciphertext: CiphertextHash, size: int) -> bytes:
    """What sealed secrets are bound to, so that no row can take another's place."""
    return _DOMAIN + record + version.to_bytes(4) + ciphertext + size.to_bytes(8)
