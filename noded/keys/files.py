"""Files with secrets: written whole and durably, and read only if nobody else can."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from noded.errors import StorageError
from noded.keys.errors import FileExposed

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

SECRET_FILE_BYTES_MAX: Final = 64 * 1024
"""A hybrid key in hex with its public key is 8 KiB."""


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, with its parents; one that is there stays as it is."""
    with _storage_errors(folder):
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def check_private(path: Path) -> None:
    """
    Pass if the file or folder is its owner's alone.

    Raises:
        FileExposed: Other users have access to it.
    """
    with _storage_errors(path):
        mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise FileExposed(path, mode)


def is_open_to_all(path: Path) -> bool:
    """Whether every user has access to a file that must be there; a group may have, as it is usual for keys of TLS."""
    return bool(path.stat().st_mode & 0o007)


def read_private(path: Path) -> bytes:
    """
    The start of a file that only its owner may read, up to SECRET_FILE_BYTES_MAX.

    Raises:
        FileExposed: Other users have access to it.
    """
    return read_private_whole(path, SECRET_FILE_BYTES_MAX)


def read_private_whole(path: Path, bytes_max: int) -> bytes:
    """
    A larger file that only its owner may read, up to `bytes_max`.

    Raises:
        FileExposed: Other users have access to it.
    """
    check_private(path)
    with _storage_errors(path), path.open("rb") as file:
        return file.read(bytes_max)


def write_private(path: Path, data: bytes) -> None:
    """Put a file that only its owner may read in place, whole or not at all, durably."""
    temporary = path.with_name(f".{path.name}.new")
    with _storage_errors(path):
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; check the disk and who owns the file") from error
