"""
Ciphertext on disk, each blob in a file named by what its bytes are.

    FOLDER/ab/ab12…   manifest ‖ segments: a whole blob, never changed (256 folders: a million blobs are 4,000 each)
    FOLDER/new/…      being written; emptied on opening
    FOLDER/incoming/… being fetched; see incoming.py

Only ciphertext ever comes here, also into `new` and `incoming` (B4). All methods block; the daemon calls them in
threads. Different methods may run at once: files appear whole, by renaming, and are not changed afterwards.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from noded.blobs.errors import BlobCorrupt, BlobMissing, NoSpaceForBlob
from noded.blobs.manifest import (
    MANIFEST_BYTES_MAX,
    Manifest,
    decode_manifest,
    hash_segment,
    manifest_bytes,
)
from noded.codec.errors import Malformed
from noded.crypto.hashing import HASH_BYTES
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.storage.errors import file_failure
from noded.storage.files import PRIVATE_MODE, os_errors, sync_folder
from noded.types.medical import CiphertextHash

_FOLDER_MODE = 0o700
_NAME = "[0-9a-f]" * 2 * HASH_BYTES
_FILE_OVERHEAD_BYTES = 8 * 1024
"""What a file costs beyond its bytes: the last block half empty, an inode, a folder's entry; generously."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBlob:
    """Ciphertext to be stored."""

    size: int
    segments: Iterable[bytes]
    """Of SEALED_SEGMENT_BYTES each but the last, `size` together; read once, one at a time."""


class BlobReader:
    """A folder of blobs that is read only, such as a backup's: nothing is made or removed there."""

    def __init__(self, folder: Path) -> None:
        """
        Read from a folder.

        Args:
            folder: Of a BlobStore.
        """
        self.folder = folder

    def has(self, name: CiphertextHash) -> bool:
        """Whether the blob is here; its bytes are not looked at."""
        return self._path(name).exists()

    def manifest(self, name: CiphertextHash) -> Manifest:
        """
        The blob's manifest, checked.

        Raises:
            BlobMissing: It is not here.
            BlobCorrupt: The manifest, or the length of the file, is not what the name says.
        """
        with self._opened(name) as (_, manifest):
            return manifest

    def read(self, name: CiphertextHash, first: int, segments: int) -> bytes:
        """
        Some of the blob's segments, each checked (B3).

        Args:
            name: The blob.
            first: Number of the first segment, from 0.
            segments: How many; all of them must be there.

        Raises:
            BlobMissing: It is not here.
            BlobCorrupt: A byte is not what the name says; names the segment.
        """
        with self._opened(name) as (file, manifest):
            assert 0 <= first < first + segments <= manifest.segments
            file.seek(manifest_bytes(manifest.size) + first * SEALED_SEGMENT_BYTES)
            parts = []
            for segment in range(first, first + segments):
                part = _read(file, manifest.segment_bytes(segment))
                if not manifest.is_segment(segment, part):
                    raise BlobCorrupt(ciphertext=name, segment=segment)
                parts.append(part)
            return b"".join(parts)

    def verify(self, name: CiphertextHash) -> None:
        """
        Read the whole blob and check it, in the memory of one segment.

        Raises:
            BlobMissing: It is not here.
            BlobCorrupt: A byte is not what the name says; names the first such segment.
        """
        for segment in range(self.manifest(name).segments):
            self.read(name, segment, 1)

    def _path(self, name: CiphertextHash) -> Path:
        digits = name.hex()
        return self.folder / digits[:2] / digits

    @contextmanager
    def _opened(self, name: CiphertextHash) -> Iterator[tuple[BinaryIO, Manifest]]:
        """The blob's file, and its manifest once it and the file's length are checked."""
        path = self._path(name)
        with os_errors(path):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                raise BlobMissing(ciphertext=name) from None
            with file:
                manifest = read_manifest(file)
                size = os.fstat(file.fileno()).st_size
                if (
                    manifest is None
                    or manifest.name != name
                    or size != manifest_bytes(manifest.size) + manifest.size
                ):
                    raise BlobCorrupt(ciphertext=name, segment=None)
                yield file, manifest


class BlobStore(BlobReader):
    """A folder of blobs, to be read and written."""

    def __init__(self, folder: Path, *, reserve_bytes: int) -> None:
        """
        Open the folder, or make it; what was being written when the process ended is removed.

        Args:
            folder: Its own; nobody else writes there.
            reserve_bytes: Space on the disk that records never take, so that the ledger can go on.

        Raises:
            StorageError: The folder cannot be made or read.
        """
        super().__init__(folder)
        self._reserve_bytes = reserve_bytes
        self._numbers = count()
        with self.translated():
            for name in ("new", "incoming", *(f"{number:02x}" for number in range(256))):
                (folder / name).mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            for leftover in (folder / "new").iterdir():
                leftover.unlink()
            sync_folder(folder)

    def put_all(self, blobs: Sequence[SealedBlob]) -> list[CiphertextHash]:
        """
        Store blobs; on return all are durable (B2).

        Returns:
            Their names, in order.

        Raises:
            NoSpaceForBlob: The disk is full up to the reserve; nothing was stored.
            StorageError: The disk failed; blobs stored so far stay, without a name that anyone knows.
        """
        needed_bytes = sum(blob.size + manifest_bytes(blob.size) + _FILE_OVERHEAD_BYTES for blob in blobs)
        self.check_space(needed_bytes)
        paths = [self.folder / "new" / str(next(self._numbers)) for _ in blobs]
        try:
            with self.translated(needed_bytes):
                names = [_write(path, blob) for path, blob in zip(paths, blobs, strict=True)]
                self.adopt(list(zip(paths, names, strict=True)))
        except BaseException:
            for path in paths:
                path.unlink(missing_ok=True)
            raise
        return names

    def adopt(self, files: Sequence[tuple[Path, CiphertextHash]]) -> None:
        """Give durable files, whole and checked, the place of their names; durable on return."""
        for path, name in files:
            path.replace(self._path(name))
        for folder in {self._path(name).parent for _, name in files}:
            sync_folder(folder)

    def delete(self, name: CiphertextHash) -> bool:
        """Remove a blob, durably; False if it was not here."""
        path = self._path(name)
        with self.translated():
            if not path.exists():
                return False
            path.unlink()
            sync_folder(path.parent)
            return True

    def names(self) -> Iterator[CiphertextHash]:
        """All blobs, ascending by name; those that come or go meanwhile may be missed."""
        for number in range(256):
            for path in sorted((self.folder / f"{number:02x}").glob(_NAME)):
                yield CiphertextHash(bytes.fromhex(path.name))

    def discard(self, *, older_than_s: float) -> int:
        """Remove blobs that came before a Unix time; returns how many."""
        discarded = 0
        for name in self.names():
            with self.translated(), suppress(FileNotFoundError):
                if self._path(name).stat().st_mtime < older_than_s:
                    discarded += self.delete(name)
        return discarded

    def check_space(self, needed_bytes: int) -> None:
        """
        Check that this many bytes more leave the ledger its reserve.

        Raises:
            NoSpaceForBlob: They do not.
        """
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < needed_bytes + self._reserve_bytes:
            raise NoSpaceForBlob(needed_bytes=needed_bytes, reserve_bytes=self._reserve_bytes)

    @contextmanager
    def translated(self, needed_bytes: int = 0) -> Iterator[None]:
        """Raise the operating system's errors as ours; a full disk is no failure of the disk."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpaceForBlob(needed_bytes=needed_bytes, reserve_bytes=self._reserve_bytes) from error
            raise file_failure(error.filename or self.folder, error) from error


def create_file(path: Path) -> BinaryIO:
    """Open a new file of our own, for reading and writing."""
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_MODE), "r+b")


def read_manifest(file: BinaryIO) -> Manifest | None:
    """The manifest at the beginning of a file; None if none stands there. Not yet checked against a name."""
    start = _read(file, manifest_bytes(0))
    length = manifest_bytes(int.from_bytes(start))
    if length > MANIFEST_BYTES_MAX:
        return None
    try:
        return decode_manifest(start + _read(file, length - len(start)))
    except Malformed:
        return None


def _read(file: BinaryIO, size: int) -> bytes:
    """As `file.read`; nothing where the disk has lost it, which is damage to this blob and not the end of the node (B3)."""
    try:
        return file.read(size)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


def _write(path: Path, blob: SealedBlob) -> CiphertextHash:
    """Write a whole file, durably but for its name."""
    hashes = bytearray()
    size = 0
    with create_file(path) as file:
        file.seek(manifest_bytes(blob.size))
        for segment in blob.segments:
            hashes += hash_segment(segment)
            size += file.write(segment)
        manifest = Manifest(size=blob.size, hashes=bytes(hashes))
        assert size == blob.size
        file.seek(0)
        file.write(manifest.encode())
        file.flush()
        os.fsync(file.fileno())
    return manifest.name
