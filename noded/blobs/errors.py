"""
What goes wrong with blobs.

None of these stops the node: a damaged or missing blob is damage to that blob only. A disk that fails
altogether is a `StorageError`, as everywhere.
"""

from noded.errors import InvalidMessage, NodedError
from noded.types.medical import CiphertextHash, RecordId, Version


class BlobError(NodedError):
    """Base of what goes wrong with one blob or record."""


class BlobMissing(BlobError):
    """The store does not hold this blob."""

    def __init__(self, *, ciphertext: CiphertextHash) -> None:
        super().__init__(f"blob {ciphertext.hex()} is not here")
        self.ciphertext = ciphertext


class BlobCorrupt(BlobError):
    """The blob's bytes on this disk are not what its name says."""

    def __init__(self, *, ciphertext: CiphertextHash, segment: int | None) -> None:
        place = "its manifest" if segment is None else f"segment {segment}"
        super().__init__(
            f"blob {ciphertext.hex()}: {place} is damaged; check the disk, then restore it from a backup or fetch it again"
        )
        self.ciphertext = ciphertext
        self.segment = segment
        """None for the manifest at its beginning, or for a length that does not fit it."""


class NoSpaceForBlob(BlobError):
    """Writing the blob would use the space that the ledger needs to go on."""

    def __init__(self, *, needed_bytes: int, reserve_bytes: int) -> None:
        super().__init__(
            f"no space for {needed_bytes} bytes of records beyond the {reserve_bytes} bytes reserved for the ledger; "
            "free some, or move the home to a larger disk"
        )
        self.needed_bytes = needed_bytes
        self.reserve_bytes = reserve_bytes


class RecordTooLarge(BlobError):
    """A record's bytes exceed what one blob holds."""

    def __init__(self, *, size: int, size_max: int) -> None:
        super().__init__(f"a record of {size} bytes is larger than {size_max}; cut it before importing")
        self.size = size
        self.size_max = size_max


class RecordHeld(BlobError):
    """A record's version is kept already, and versions never change."""

    def __init__(self, *, record: RecordId, version: Version) -> None:
        super().__init__(f"version {version} of record {record.hex()} is kept already")
        self.record = record
        self.version = version


class RecordNotHeld(BlobError):
    """No keys of this version of the record are here: never kept, or erased."""

    def __init__(self, *, record: RecordId, version: Version) -> None:
        super().__init__(f"version {version} of record {record.hex()} is not kept here, or was erased")
        self.record = record
        self.version = version


class KeysCorrupt(BlobError):
    """Keys that are kept were changed on this disk, so nothing can be opened with them."""

    def __init__(self, *, of: str) -> None:
        super().__init__(f"the keys of {of} are damaged; check the disk, then restore them from a backup")
        self.of = of


class ContentMismatch(BlobError):
    """Ciphertext does not open with these keys to the bytes that the record's commitment is over."""

    def __init__(self, *, record: RecordId, version: Version, reason: str) -> None:
        super().__init__(f"version {version} of record {record.hex()} does not open: {reason}")
        self.record = record
        self.version = version
        self.reason = reason


class WrongDataKey(NodedError):
    """The institution's data key is not the one that the record keys were sealed under."""

    def __init__(self, *, path: str) -> None:
        super().__init__(
            f"{path}: sealed under another data key; restore the data key that belongs to this home"
        )
        self.path = path


class BlobRefused(BlobError):
    """The peer has no such blob, or no permit allows it; which of the two it does not say."""

    def __init__(self, *, record: RecordId, version: Version) -> None:
        super().__init__(
            f"the peer does not give version {version} of record {record.hex()}: no such record, or no permit"
        )
        self.record = record
        self.version = version


class BlobUnreachable(BlobError):
    """The peer did not answer often enough; what was fetched is kept, and fetching can go on from there."""

    def __init__(self, *, ciphertext: CiphertextHash, segments: int, attempts: int) -> None:
        super().__init__(
            f"blob {ciphertext.hex()}: no answer to {attempts} attempts in a row, {segments} segments fetched so far; try again later"
        )
        self.ciphertext = ciphertext
        self.segments = segments
        self.attempts = attempts


class BlobForged(InvalidMessage):
    """A peer sent bytes as part of a blob that are no part of it."""

    def __init__(self, *, ciphertext: CiphertextHash, segment: int | None) -> None:
        place = "manifest" if segment is None else f"segment {segment}"
        super().__init__(f"{place} sent for blob {ciphertext.hex()} does not belong to it")
        self.ciphertext = ciphertext
        self.segment = segment
        """None for the manifest."""
