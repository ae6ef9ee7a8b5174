"""Putting another store in the place of a home's own, which is kept aside and never deleted (O3)."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from noded.errors import StorageError
from noded.ops.home import STORE_NAME
from noded.storage.errors import StoreExists
from noded.storage.files import os_errors, sync_folder
from noded.storage.sqlite import SqliteStore, open_reader
from noded.storage.store import CommitBatch, Sidecar

SIDECARS_PER_COMMIT: Final = 256
"""A sidecar is at most 2 KiB."""

_PARTS: Final = ("", "-wal", "-shm")
"""Of a SQLite store: the file, its journal, the journal's index."""


def workplace(home: Path, purpose: str) -> Path:
    """Where a new store is made ready; nothing is there, whatever an interrupted attempt left."""
    path = home / f"{STORE_NAME}.{purpose}"
    with os_errors(path):
        for part in _part_paths(path):
            part.unlink(missing_ok=True)
    return path


def discard(path: Path) -> None:
    """Remove a store that was made ready and is of no use."""
    with os_errors(path):
        for part in _part_paths(path):
            part.unlink(missing_ok=True)


def swap_in(
    home: Path, new: Path, *, replace: bool, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Path | None:
    """
    Make a store that is ready the home's own; the home must be locked.

    Keys on their way to other members (sidecars) are taken over from the old one. The log of the consensus stays as it
    is: it remembers what this node signed, whatever the store holds.

    Args:
        home: Of the node.
        new: A closed store in the same folder.
        replace: Whether there may be a store already.
        now: For the old one's new name.

    Returns:
        Where the old store is now; None if there was none.

    Raises:
        StoreExists: There is a store, and it must not be replaced.
        StorageError: It failed; the old store is in its place, or beside it under its new name.
    """
    own = home / STORE_NAME
    if not replace and _parts_of(own):
        raise StoreExists(own)
    aside = own.with_name(f"{STORE_NAME}.replaced-{now():%Y%m%dT%H%M%SZ}")
    if own.exists():
        _take_over(own, new)
    in_the_way = _parts_of(
        own
    )  # Only now: whoever reads a store that was killed copies its journal, and removes it.
    with os_errors(home):
        for part in reversed(in_the_way):
            part.rename(aside.with_name(aside.name + part.name.removeprefix(STORE_NAME)))
        new.rename(own)
        sync_folder(home)
    return aside if in_the_way else None


def _take_over(old: Path, new: Path) -> None:
    try:
        with closing(open_reader(old)) as reader, closing(SqliteStore(new)) as store:
            sidecars: Iterator[Sidecar] = reader.sidecar_scan()
            while some := list(islice(sidecars, SIDECARS_PER_COMMIT)):
                store.commit(CommitBatch(sidecars=some))
    except StorageError:
        return  # The old one cannot be read, which may be why it is replaced; readers ask for their keys again.


def _parts_of(path: Path) -> list[Path]:
    """The parts of a store that are there."""
    return [part for part in _part_paths(path) if part.exists()]


def _part_paths(path: Path) -> list[Path]:
    return [path.with_name(path.name + part) for part in _PARTS]
