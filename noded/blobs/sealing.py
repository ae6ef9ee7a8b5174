"""Between a record's bytes and its ciphertext, for custodian and reader alike; plaintext stays in memory (B4)."""

from noded.blobs.errors import ContentMismatch, RecordTooLarge
from noded.blobs.keys import RecordSecrets
from noded.blobs.manifest import SEGMENTS_MAX
from noded.blobs.store import BlobStore, SealedBlob
from noded.crypto.errors import Undecryptable
from noded.crypto.hashing import commit
from noded.crypto.segments import SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Segments, sealed_bytes
from noded.types.medical import CiphertextHash, Commitment, RecordId, Version

RECORD_BYTES_MAX = SEGMENTS_MAX * SEGMENT_BYTES
"""1 GiB; larger content (whole genomes, long imaging series) is several records."""

READ_SEGMENTS = 16
"""Segments read from the disk at a time when opening; 1 MiB."""


def seal_content(content: bytes, secrets: RecordSecrets, record: RecordId, version: Version) -> SealedBlob:
    """
    The ciphertext of a version of a record; the data key must never have sealed other content.

    Raises:
        RecordTooLarge: The content is larger than RECORD_BYTES_MAX.
    """
    if len(content) > RECORD_BYTES_MAX:
        raise RecordTooLarge(size=len(content), size_max=RECORD_BYTES_MAX)
    pieces = (content[at : at + SEGMENT_BYTES] for at in range(0, len(content), SEGMENT_BYTES))
    segments = Segments(key=secrets.data_key, record=record, version=version)
    return SealedBlob(size=sealed_bytes(len(content)), segments=segments.seal(pieces))


def commit_content(content: bytes, secrets: RecordSecrets) -> Commitment:
    """The commitment to a record's bytes, as the ledger holds it (L31)."""
    return Commitment(commit(secrets.salt_key, content))


def open_content(
    store: BlobStore,
    ciphertext: CiphertextHash,
    secrets: RecordSecrets,
    *,
    record: RecordId,
    version: Version,
    commitment: Commitment,
) -> bytes:
    """
    Exactly the bytes that the commitment on the ledger is over.

    Raises:
        BlobMissing, BlobCorrupt: The ciphertext is not here, or was damaged on this disk.
        ContentMismatch: It does not open with these keys, or to other bytes than were committed to.
    """
    content = open_range(store, ciphertext, secrets, record=record, version=version)
    if commit_content(content, secrets) != commitment:
        reason = "it opens, but to other bytes than the ledger's commitment is over"
        raise ContentMismatch(record=record, version=version, reason=reason)
    return content


def open_range(
    store: BlobStore,
    ciphertext: CiphertextHash,
    secrets: RecordSecrets,
    *,
    record: RecordId,
    version: Version,
    start: int = 0,
    end: int | None = None,
) -> bytes:
    """
    The bytes from `start` to `end` (None: to the last); less where the record is shorter.

    Only the segments touched are read. Each is known to be the custodian's own, in its place.

    Raises:
        BlobMissing, BlobCorrupt, ContentMismatch: As `open_content`, but for the commitment.
    """
    assert start >= 0
    manifest = store.manifest(ciphertext)
    size = manifest.size - manifest.segments * (SEALED_SEGMENT_BYTES - SEGMENT_BYTES)
    end = size if end is None else min(end, size)
    if start >= end and size > 0:
        return b""
    first, last = start // SEGMENT_BYTES, max(0, end - 1) // SEGMENT_BYTES
    segments = Segments(key=secrets.data_key, record=record, version=version)
    parts = []
    for batch in range(first, last + 1, READ_SEGMENTS):
        count = min(READ_SEGMENTS, last + 1 - batch)
        sealed = memoryview(store.read(ciphertext, batch, count))
        for offset in range(count):
            part = bytes(sealed[offset * SEALED_SEGMENT_BYTES : (offset + 1) * SEALED_SEGMENT_BYTES])
            index = batch + offset
            try:
                parts.append(segments.open(index, part, is_last=index == manifest.segments - 1))
            except Undecryptable:
                reason = f"segment {index} was sealed with another key, or for another place"
                raise ContentMismatch(record=record, version=version, reason=reason) from None
    return b"".join(parts)[start - first * SEGMENT_BYTES : end - first * SEGMENT_BYTES]
