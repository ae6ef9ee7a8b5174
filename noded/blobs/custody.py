"""What a custodian does with records: keep, read its own chart, hand out keys, check, erase."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from noded.blobs.errors import BlobError, RecordHeld
from noded.blobs.keys import KEY_BYTES, HeldVersion, RecordKeys, RecordSecrets
from noded.blobs.sealing import commit_content, open_range, seal_content
from noded.blobs.store import BlobStore
from noded.crypto.segments import sealed_bytes
from noded.types.medical import CiphertextHash, Commitment, RecordId, Version

_PAGE = 1000
"""Versions listed at a time when checking; 80 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version of a record to be kept."""

    record: RecordId
    """16 random bytes, never derived from the content (L30)."""
    version: Version
    content: bytes
    """The bytes received, untouched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersion:
    """What the ledger is told of a version that is kept."""

    record: RecordId
    version: Version
    commitment: Commitment
    ciphertext: CiphertextHash
    ciphertext_bytes: int


class Custodian:
    """Ciphertext and keys of the records that this institution keeps; all methods block."""

    def __init__(self, store: BlobStore, keys: RecordKeys) -> None:
        self.store = store
        self.keys = keys

    def keep(self, versions: Sequence[NewVersion]) -> list[KeptVersion]:
        """
        Encrypt versions under fresh keys and keep them, all or none; on return they are durable.

        Registering them on the ledger comes after. A crash on the way leaves ciphertext without keys, which is noise.
        A single version that is kept with the same content is answered as it was: whoever asked may not have heard.

        Raises:
            RecordTooLarge, RecordHeld, NoSpaceForBlob: One of them cannot be kept; nothing was.
            StorageError: The disk failed.
        """
        secrets = [
            RecordSecrets(data_key=os.urandom(KEY_BYTES), salt_key=os.urandom(KEY_BYTES)) for _ in versions
        ]
        blobs = [
            seal_content(new.content, own, new.record, new.version)
            for new, own in zip(versions, secrets, strict=True)
        ]
        names = self.store.put_all(blobs)
        held = [
            HeldVersion(
                record=new.record, version=new.version, ciphertext=name, size=len(new.content), secrets=own
            )
            for new, name, own in zip(versions, names, secrets, strict=True)
        ]
        try:
            self.keys.add_all(held)
        except BaseException as error:
            for name in names:
                self.store.delete(name)
            if isinstance(error, RecordHeld) and len(versions) == 1:
                (new,) = versions
                if self.read(new.record, new.version) == new.content:
                    return [_kept(new, self.keys.get(new.record, new.version))]
            raise
        return [_kept(new, one) for new, one in zip(versions, held, strict=True)]

    def read(self, record: RecordId, version: Version, *, start: int = 0, end: int | None = None) -> bytes:
        """
        Bytes of a record of this institution's own chart, checked; see `open_range`.

        Raises:
            RecordNotHeld, KeysCorrupt: Its keys are not here, or damaged.
            BlobMissing, BlobCorrupt, ContentMismatch: Its ciphertext is.
        """
        held = self.keys.get(record, version)
        return open_range(
            self.store, held.ciphertext, held.secrets, record=record, version=version, start=start, end=end
        )

    def erase(self, record: RecordId) -> int:
        """
        Destroy ciphertext and keys of all versions of a record; returns how many there were.

        Once the keys are gone, copies of the ciphertext are noise wherever they are, and so is the commitment.
        They go last, so that erasing again finishes what a crash left undone.
        """
        for _, ciphertext in self.keys.versions(record):
            self.store.delete(ciphertext)
        return self.keys.destroy(record)

    def check(self) -> Iterator[BlobError]:
        """Read every byte that is kept, and yield what is missing or damaged; slow, for `doctor` and tests."""
        after = None
        while page := self.keys.held(after, _PAGE):
            for record, version, ciphertext in page:
                try:
                    self.keys.get(record, version)
                    self.store.verify(ciphertext)
                except BlobError as error:
                    yield error
            after = page[-1][:2]


def _kept(new: NewVersion, held: HeldVersion) -> KeptVersion:
    return KeptVersion(
        record=new.record,
        version=new.version,
        commitment=commit_content(new.content, held.secrets),
        ciphertext=held.ciphertext,
        ciphertext_bytes=sealed_bytes(held.size),
    )
