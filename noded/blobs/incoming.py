"""
A blob being fetched: its manifest and the segments so far, each checked before it is written (B5).

The file is the beginning of what the whole one will be. So what a power cut, a lost peer or a restart leaves is
simply read again: whatever does not fit the manifest is cut off, and fetching goes on behind the rest.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from noded.blobs.errors import BlobForged
from noded.blobs.manifest import Manifest, manifest_bytes
from noded.blobs.store import BlobStore, create_file, read_manifest
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.types.medical import CiphertextHash


class IncomingBlob:
    """One blob on its way into a store; used by one task at a time."""

    def __init__(self, store: BlobStore, name: CiphertextHash) -> None:
        """
        Go on where an earlier attempt ended, or begin.

        Raises:
            StorageError: The disk failed.
        """
        self.name = name
        self.manifest: Manifest | None = None
        """None until `begin`, unless an earlier attempt had it."""
        self.segments = 0
        """How many segments are here and checked."""
        self._store = store
        self._path = store.folder / "incoming" / name.hex()
        with store.translated():
            self._file = _open(self._path)
            self._recover()

    @property
    def is_complete(self) -> bool:
        """Whether every segment is here."""
        return self.manifest is not None and self.segments == self.manifest.segments

    def begin(self, manifest: Manifest) -> None:
        """
        Take the manifest.

        Raises:
            BlobForged: It is not this blob's.
            NoSpaceForBlob: The disk has no place for what it announces.
        """
        assert self.manifest is None
        if manifest.name != self.name:
            raise BlobForged(ciphertext=self.name, segment=None)
        self._store.check_space(manifest.size)
        self._write(manifest.encode())
        self.manifest = manifest

    def append(self, data: bytes) -> None:
        """
        Take the next segments, whole ones; those before a wrong one are kept.

        Raises:
            BlobForged: They are not this blob's next segments; names the first that is not.
            NoSpaceForBlob: The disk is full.
            StorageError: The disk failed.
        """
        assert self.manifest is not None
        if not data:
            raise BlobForged(ciphertext=self.name, segment=self.segments)
        for start in range(0, len(data), SEALED_SEGMENT_BYTES):
            part = data[start : start + SEALED_SEGMENT_BYTES]
            if self.is_complete or not self.manifest.is_segment(self.segments, part):
                raise BlobForged(ciphertext=self.name, segment=self.segments)
            self._write(part)
            self.segments += 1

    def finish(self) -> None:
        """Put the complete blob in its place in the store, durably, and close."""
        assert self.is_complete
        with self._store.translated():
            os.fsync(self._file.fileno())
            self._file.close()
            self._store.adopt([(self._path, self.name)])

    def close(self) -> None:
        """Leave what is here for a later attempt; what could not be written before cannot now, and was told then."""
        with suppress(OSError):
            self._file.close()

    def _recover(self) -> None:
        """Read what an earlier attempt left, and cut off what does not fit."""
        manifest = read_manifest(self._file)
        end = 0
        if manifest is not None and manifest.name == self.name:
            self.manifest = manifest
            end = manifest_bytes(manifest.size)
            while not self.is_complete:
                part = self._file.read(manifest.segment_bytes(self.segments))
                if not manifest.is_segment(self.segments, part):
                    break
                self.segments += 1
                end += len(part)
        self._file.seek(end)
        self._file.truncate()

    def _write(self, data: bytes) -> None:
        with self._store.translated(len(data)):
            self._file.write(data)
            self._file.flush()


def discard_incoming(store: BlobStore, *, older_than_s: float) -> int:
    """Remove what was fetched of blobs and not gone on with since a Unix time; returns how many."""
    discarded = 0
    with store.translated():
        for path in (store.folder / "incoming").iterdir():
            with suppress(FileNotFoundError):  # It has just come whole, and gone to its place.
                if path.stat().st_mtime < older_than_s:
                    path.unlink()
                    discarded += 1
    return discarded


def _open(path: Path) -> BinaryIO:
    try:
        return create_file(path)
    except FileExistsError:
        return path.open("r+b")
