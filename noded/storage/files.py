"""Files that survive a power cut: what is made durable, and in which order."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from noded.storage.errors import file_failure

PRIVATE_MODE: Final = 0o600
"""A node's files are its own."""


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Raise the operating system's errors as StorageError; for `path` where they name no file."""
    try:
        yield
    except OSError as error:
        raise file_failure(error.filename or path, error) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other command works in a folder so, and let none begin before the block ends (O9)."""
    with os_errors(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os_errors(folder):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: files made, renamed or removed in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the file's content durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_private(path: Path) -> None:
    """Make an empty file that only its owner may read, durably."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE))
    sync_folder(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Put a file that only its owner may read in place, whole or not at all, durably."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
