"""
Snapshots: a whole store in one file, made while the node runs, with a manifest that tells whether it is whole.

Also migrations, as each begins with one.
"""

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from noded.storage.connection import connect, translated, written_to
from noded.storage.errors import SchemaTooNew, SnapshotInvalid, StoreExists, StoreMissing, file_failure
from noded.storage.files import alone_in, create_private, os_errors, sync_file, sync_folder, write_private
from noded.storage.schema import SCHEMA, Schema, stored_version

SNAPSHOT_SUFFIX: Final = ".snapshot"
MANIFEST_SUFFIX: Final = ".json"

_CHUNK_BYTES: Final = 1024 * 1024
_MANIFEST_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a manifest says of its snapshot."""

    schema: int
    height: int
    """Of the highest block; -1 in an empty store."""
    block_hash: str
    """Of that block, hexadecimal; empty in an empty store."""
    bytes: int
    sha256: str
    """Of the file, hexadecimal."""


def create_snapshot(store: Path, folder: Path) -> Path:
    """
    Make a snapshot of a store, which may be in use meanwhile; about 8 ms a megabyte.

    Returns:
        The snapshot's file; its name begins with the height. One of the same height is replaced.

    Raises:
        StorageError: It could not be made; nothing is left in the folder.
    """
    if not store.exists():
        raise StoreMissing(store)
    with os_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone_in(folder), os_errors(folder):
        temporary = folder / ".snapshot.new"
        try:
            temporary.unlink(missing_ok=True)
            create_private(temporary)
            with translated(store), closing(connect(store)) as connection:
                stored_version(connection, store)
                with written_to(folder):
                    connection.execute("VACUUM INTO ?", (str(temporary),))
            sync_file(temporary)
            manifest = _describe(temporary)
            target = folder / f"{max(manifest.height, 0):012d}{SNAPSHOT_SUFFIX}"
            _manifest_path(target).unlink(missing_ok=True)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
            temporary.with_name(f"{temporary.name}-journal").unlink(missing_ok=True)
        write_private(_manifest_path(target), json.dumps(asdict(manifest), indent=2).encode() + b"\n")
        return target


def list_snapshots(folder: Path) -> list[Path]:
    """The snapshots that have a manifest, lowest height first; not verified."""
    return sorted(path for path in folder.glob(f"*{SNAPSHOT_SUFFIX}") if _manifest_path(path).exists())


def read_manifest(path: Path) -> Snapshot:
    """
    What a snapshot's manifest says; the snapshot itself is not looked at.

    Raises:
        SnapshotInvalid: It has none that can be read.
    """
    manifest = _manifest_path(path)
    try:
        with manifest.open("rb") as file:
            fields = json.loads(file.read(_MANIFEST_BYTES_MAX))
        return Snapshot(
            schema=int(fields["schema"]),
            height=int(fields["height"]),
            block_hash=str(fields["block_hash"]),
            bytes=int(fields["bytes"]),
            sha256=str(fields["sha256"]),
        )
    except FileNotFoundError:
        raise SnapshotInvalid(path, f"its manifest {manifest.name} is missing") from None
    except OSError as error:
        raise file_failure(manifest, error) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SnapshotInvalid(path, f"its manifest {manifest.name} cannot be read: {error}") from error


def verify_snapshot(path: Path) -> Snapshot:
    """
    Read the whole snapshot.

    Returns:
        Its manifest, which it agrees with.

    Raises:
        SnapshotInvalid: It is not what its manifest says, or has none.
    """
    manifest = read_manifest(path)
    with os_errors(path):
        if not path.exists():
            raise SnapshotInvalid(path, "the file is missing")
        size = path.stat().st_size
        if size != manifest.bytes:
            raise SnapshotInvalid(path, f"it has {size} bytes, not {manifest.bytes}")
        if _sha256(path) != manifest.sha256:
            raise SnapshotInvalid(path, "its SHA-256 is another")
    return manifest


def restore_snapshot(path: Path, store: Path) -> Snapshot:
    """
    Put a copy of a snapshot in place as a store; there must be none yet.

    Raises:
        SnapshotInvalid: It is not what its manifest says.
        SchemaTooNew: A newer program made it.
        StoreExists: There is a store already.
    """
    manifest = verify_snapshot(path)
    if manifest.schema > SCHEMA.version:
        raise SchemaTooNew(path, manifest.schema, SCHEMA.version)
    with os_errors(store):
        for name in (store.name, store.name + "-wal", store.name + "-shm"):
            if store.with_name(name).exists():
                raise StoreExists(store.with_name(name))
        temporary = store.with_name(store.name + ".new")
        try:
            temporary.unlink(missing_ok=True)
            create_private(temporary)
            shutil.copyfile(path, temporary)
            sync_file(temporary)
            if _sha256(temporary) != manifest.sha256:
                raise SnapshotInvalid(path, "it changed while it was copied")
            temporary.replace(store)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(store.parent)
    return manifest


def migrate(store: Path, snapshots: Path, *, schema: Schema = SCHEMA) -> Path | None:
    """
    Lead a store to this program's schema, all of it or not at all, after a snapshot of what it was.

    The store must not be in use.

    Returns:
        The snapshot; None if there was nothing to do.

    Raises:
        SchemaTooNew, SchemaTooOld: Nothing leads from its version to this program's.
        StorageError: It failed; the store is as before.
    """
    if not store.exists():
        raise StoreMissing(store)
    with translated(store), closing(connect(store)) as connection:
        found = stored_version(connection, store)
        if found > schema.version:
            raise SchemaTooNew(store, found, schema.version)
        if found == schema.version:
            return None
        too_old = schema.why_too_old(store, found)
        if not too_old.can_be_led:
            raise too_old
        snapshot = create_snapshot(store, snapshots)
        connection.execute("PRAGMA synchronous = FULL")
        try:
            schema.upgrade(connection, found)
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return snapshot


def _describe(path: Path) -> Snapshot:
    with translated(path), closing(connect(path)) as connection:
        schema = stored_version(connection, path)
        row = connection.execute("SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1").fetchone()
    height, hash_ = (-1, b"") if row is None else row
    return Snapshot(
        schema=schema, height=height, block_hash=hash_.hex(), bytes=path.stat().st_size, sha256=_sha256(path)
    )


def _manifest_path(path: Path) -> Path:
    return path.with_suffix(MANIFEST_SUFFIX)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
