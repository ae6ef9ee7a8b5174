"""Ciphertext-like blobs, and stores of them."""

from pathlib import Path

from noded.blobs.store import BlobStore, SealedBlob
from noded.crypto.segments import SEALED_SEGMENT_BYTES


def make_store(folder: Path, *, reserve_bytes: int = 0) -> BlobStore:
    return BlobStore(folder / "blobs", reserve_bytes=reserve_bytes)


def make_bytes(size: int, seed: int = 0) -> bytes:
    """Bytes in which no two segments are alike."""
    return b"".join((seed + number).to_bytes(8) for number in range(-(-size // 8)))[:size]


def cut(data: bytes) -> list[bytes]:
    return [data[start : start + SEALED_SEGMENT_BYTES] for start in range(0, len(data), SEALED_SEGMENT_BYTES)]


def make_blob(data: bytes) -> SealedBlob:
    return SealedBlob(size=len(data), segments=cut(data))


def blob_path(store: BlobStore, name: bytes) -> Path:
    return store.folder / name.hex()[:2] / name.hex()


def flip(path: Path, at: int) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def bytes_on_disk(folder: Path) -> bytes:
    """Every byte of every file below a folder, as a thief of the disk sees them."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
