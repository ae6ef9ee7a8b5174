"""
The custodian's keys: of each version of a record a data key and a salt key.

What is destroyed here is erased: without the data key the ciphertext is noise, on every disk and in every backup it
reached; without the salt key the commitment on the ledger is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from noded.blobs.errors import KeysCorrupt, RecordHeld, RecordNotHeld
from noded.blobs.sealed_file import SealedFile
from noded.crypto.errors import Undecryptable
from noded.types.medical import CiphertextHash, RecordId, Version

KEY_BYTES: Final = 32
SECRETS_BYTES: Final = 2 * KEY_BYTES


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
    """The secrets of which these SECRETS_BYTES are `pack`'s; raises `Undecryptable` if they are not so many."""
    if len(data) != SECRETS_BYTES:
        raise Undecryptable("what was wrapped is not a record's keys")
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
    """The keys of record versions."""

    def __init__(self, file: SealedFile) -> None:
        self._file = file

    def add_all(self, versions: Sequence[HeldVersion]) -> None:
        """
        Keep the secrets of versions, all or none; on return they are durable.

        Raises:
            RecordHeld: One of them is kept already.
            StorageError: The disk failed or is full; nothing was kept.
        """
        rows = [
            (
                held.record,
                held.version,
                held.ciphertext,
                held.size,
                self._file.seal(
                    held.secrets.pack(), _version_place(held.record, held.version, held.ciphertext, held.size)
                ),
            )
            for held in versions
        ]
        with self._file.writing() as connection:
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
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT ciphertext, size, sealed FROM record_version WHERE record = ? AND version = ?",
                (record, version),
            ).fetchone()
        if row is None:
            raise RecordNotHeld(record=record, version=version)
        ciphertext, size, sealed = row
        try:
            place = _version_place(record, version, ciphertext, size)
            secrets = unpack_secrets(self._file.open(sealed, place))
        except Undecryptable:
            raise KeysCorrupt(of=f"version {version} of record {record.hex()}") from None
        return HeldVersion(record=record, version=version, ciphertext=ciphertext, size=size, secrets=secrets)

    def versions(self, record: RecordId) -> list[tuple[Version, CiphertextHash]]:
        """The versions of a record that are kept, ascending, and their blobs."""
        with self._file.reading() as connection:
            return connection.execute(
                "SELECT version, ciphertext FROM record_version WHERE record = ? ORDER BY version", (record,)
            ).fetchall()

    def held(
        self, after: tuple[RecordId, Version] | None, limit: int
    ) -> list[tuple[RecordId, Version, CiphertextHash]]:
        """Up to `limit` versions behind one (None: from the first), ascending, and their blobs; for checking."""
        with self._file.reading() as connection:
            return connection.execute(
                "SELECT record, version, ciphertext FROM record_version WHERE (record, version) > (?, ?)"
                " ORDER BY record, version LIMIT ?",
                (*(after or (b"", 0)), limit),
            ).fetchall()

    def destroy(self, record: RecordId) -> int:
        """
        Erase the secrets of all versions of a record for good (B6); returns how many versions there were.

        On return it is durable, and no part of the file holds them, sealed or not.
        """
        with self._file.writing() as connection:
            destroyed = connection.execute("DELETE FROM record_version WHERE record = ?", (record,)).rowcount
        self._file.forget_deleted()
        return destroyed


def _version_place(record: RecordId, version: Version, ciphertext: CiphertextHash, size: int) -> bytes:
    """What a version's secrets are bound to, so that no row can take another's place."""
    return b"noded/record-secrets/1" + record + version.to_bytes(4) + ciphertext + size.to_bytes(8)
