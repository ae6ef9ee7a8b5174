"""The files of a home that a backup takes, and copying them while a node works with them."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from noded.client.sockets import SOCKET_NAME
from noded.ops.home import SNAPSHOTS_NAME, STORE_NAME, WAL_NAME
from noded.storage.connection import connect, translated, written_to
from noded.storage.files import PRIVATE_MODE, create_private, os_errors, sync_file, sync_folder
from noded.storage.lock import LOCK_NAME

RECORDS_NAME: Final = "records"
"""Folder of ciphertext: files named by what they hold, never changed."""

_LEFT_OUT: Final = frozenset({LOCK_NAME, SOCKET_NAME, WAL_NAME, SNAPSHOTS_NAME, "fetched", "node.log"})
"""What is of this moment and this process, or can be had again."""

_PASSING: Final = (f"{RECORDS_NAME}/new", f"{RECORDS_NAME}/incoming")
"""Folders of what is being written or fetched."""

_DATABASE: Final = ".sqlite"
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedFile:
    """A file as it was copied."""

    bytes: int
    sha256: str


def files_of(home: Path, left_out: Collection[str]) -> list[str]:
    """
    The files of a home, by their place in it: all but the ledger's store, logs, and what can be had again.

    Those that hold keys of records come first: a record is kept before its keys are, so that whoever copies in this
    order has no key without its record.
    """
    with os_errors(home):
        return sorted(_walk(home, left_out), key=lambda name: (not name.endswith(_DATABASE), name))


def is_record(name: str) -> bool:
    """Whether a place in a home is that of a record's ciphertext."""
    return name.startswith(f"{RECORDS_NAME}/")


def copy_file(source: Path, target: Path) -> CopiedFile | None:
    """
    Copy a file durably, whole or not at all, for its owner only; a database as it is at one moment.

    Returns:
        None if the file has gone.

    Raises:
        StorageError: It cannot be read or written.
    """
    temporary = target.with_name(target.name + ".new")
    with os_errors(target):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        create_private(temporary)
        try:
            if source.suffix == _DATABASE:
                _copy_database(source, temporary)
            else:
                shutil.copyfile(source, temporary)
            sync_file(temporary)
            copied = describe_file(temporary)
            temporary.replace(target)
        except FileNotFoundError:
            return None
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(target.parent)
        return copied


def describe_file(path: Path) -> CopiedFile:
    """Size and SHA-256 of a file."""
    digest = sha256()
    size = 0
    with os_errors(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return CopiedFile(bytes=size, sha256=digest.hexdigest())


def _walk(home: Path, left_out: Collection[str]) -> Iterator[str]:
    for folder, folders, names in os.walk(home):
        place = Path(folder).relative_to(home)
        if place == Path():
            folders[:] = [name for name in folders if name not in _LEFT_OUT]
            names = [name for name in names if name not in _LEFT_OUT and not name.startswith(STORE_NAME)]
        folders[:] = [name for name in folders if str(place / name) not in _PASSING]
        for name in names:
            whole = str(place / name)
            is_journal = name.endswith((f"{_DATABASE}-wal", f"{_DATABASE}-shm"))
            if whole in left_out or is_journal or name.endswith(".new"):
                continue
            if stat.S_ISREG((Path(folder) / name).lstat().st_mode):
                yield whole


def _copy_database(source: Path, target: Path) -> None:
    with (
        translated(source),
        closing(connect(source)) as connection,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
        written_to(target),
    ):
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    target.chmod(PRIVATE_MODE)
