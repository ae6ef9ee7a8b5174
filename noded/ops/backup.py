"""
Backups of a whole home, made while its node runs.

    backup.json      what is in it: sizes and SHA-256 of all files but records, which are named by what they hold
    ledger/          a snapshot of the store, with its proof
    home/            keys as they are sealed, settings, founding document, records and their keys, patients, tokens

Left out are the consensus log (a copy of it would forget what was signed since, so the restored node follows without
voting until an epoch whose start it witnesses), the passphrase (whoever has it and the backup has the keys), and what
the node can fetch again. A later backup to the same folder copies new records only, and removes those erased since.
"""

import json
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from noded import __version__
from noded.blobs.errors import BlobError
from noded.blobs.store import BlobStore
from noded.config import NodeConfig
from noded.errors import NodedError
from noded.keys.files import check_private, make_private_folder
from noded.ops.founding import read_genesis
from noded.ops.home import FOUNDER_NAME, HomeExists, read_institution
from noded.ops.home_files import RECORDS_NAME, CopiedFile, copy_file, describe_file, files_of, is_record
from noded.ops.snapshots import Restored, check_snapshot, install_snapshot, take_snapshot
from noded.storage.files import alone_in, os_errors, sync_folder, write_private
from noded.types.genesis import Genesis
from noded.types.medical import CiphertextHash

MANIFEST_NAME: Final = "backup.json"
HOME_NAME: Final = "home"
LEDGER_NAME: Final = "ledger"

MANIFEST_BYTES_MAX: Final = 16 * 1024 * 1024
"""100,000 files of 150 bytes each; a home has some dozens besides its records."""

VERSION: Final = 1


class BackupInvalid(NodedError):
    """A backup is not what its manifest says, or has none."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}; use another backup")
        self.path = path
        self.why = why


class BackupRefused(NodedError):
    """A backup cannot be made here; nothing was changed."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup's manifest says."""

    version: int
    program: str
    """Version of the program that made it."""
    chain_id: str
    genesis: str
    """Place of the founding document in the home."""
    created_ms: int
    snapshot: str
    """Name of the snapshot's file."""
    height: int
    is_certified: bool
    """Whether the snapshot's state is proven."""
    records: int
    """Blobs of ciphertext."""
    left_out: tuple[str, ...]
    """What the home takes besides: the passphrase's file, and what its settings place elsewhere."""
    files: dict[str, CopiedFile]
    """By their place in the home."""


def create_backup(
    config: NodeConfig, target: Path, *, now_ms: int, sleep: Callable[[float], None] = time.sleep
) -> Backup:
    """
    Back up a home, whose node may run, to a folder.

    Args:
        config: Of the home.
        target: A folder that is missing, empty, or has an earlier backup of the same institution's node.
        now_ms: The time.
        sleep: Waits for the block that certifies the state.

    Raises:
        BackupRefused: There is something else, or the chain has no block yet.
        StorageError: It could not be made; the folder has no manifest then.
    """
    genesis = read_genesis(config.path(config.node.genesis))
    _check_target(target, config.home, genesis)
    make_private_folder(target)
    check_private(target)
    with alone_in(target):
        return _create(config, genesis, target, now_ms, sleep)


def _create(
    config: NodeConfig, genesis: Genesis, target: Path, now_ms: int, sleep: Callable[[float], None]
) -> Backup:
    home = config.home
    with os_errors(target):
        (target / MANIFEST_NAME).unlink(missing_ok=True)
        sync_folder(target)
    listed = take_snapshot(home, genesis, target / LEDGER_NAME, sleep=sleep)
    if listed.manifest.height < 1:
        raise BackupRefused(home, "the chain has no block yet; `noded keys export` saves the keys")
    left_out = list(_left_out(config))
    files: dict[str, CopiedFile] = {}
    names = files_of(home, left_out)
    for name in names:
        copy = target / HOME_NAME / name
        if not is_record(name):
            copied = copy_file(home / name, copy)
            if copied is not None:
                files[name] = copied
        elif not copy.exists():
            copy_file(home / name, copy)
    _remove_others(target / LEDGER_NAME, {path.name for path in listed.files()})
    _remove_others(target / HOME_NAME, names)
    backup = Backup(
        version=VERSION,
        program=__version__,
        chain_id=genesis.chain_id.hex(),
        genesis=config.node.genesis,
        created_ms=now_ms,
        snapshot=listed.path.name,
        height=listed.manifest.height,
        is_certified=listed.is_certified,
        records=sum(map(is_record, files_of(target / HOME_NAME, ()))),
        left_out=tuple(left_out),
        files=files,
    )
    write_private(target / MANIFEST_NAME, json.dumps(asdict(backup), indent=1).encode() + b"\n")
    return backup


def verify_backup(folder: Path) -> Backup:
    """
    Read a whole backup: every file's hash, every record, and the ledger's state from its values up to the signatures.

    Raises:
        BackupInvalid: Something is missing or differs.
        SnapshotInvalid: The ledger is not whole.
    """
    backup = read_backup(folder)
    home = folder / HOME_NAME
    for name, copied in backup.files.items():
        if not (home / name).is_file():
            raise BackupInvalid(folder, f"{name} is missing")
        if describe_file(home / name) != copied:
            raise BackupInvalid(folder, f"{name} has changed")
    records = sum(map(is_record, files_of(home, ())))
    if records != backup.records:
        raise BackupInvalid(folder, f"it has {records} records, not {backup.records}")
    if records:
        _verify_records(folder)
    check_snapshot(folder / LEDGER_NAME / backup.snapshot, _genesis(folder, backup), None)
    return backup


def restore_backup(folder: Path, home: Path) -> Restored:
    """
    Make a home from a backup; the store is proven before it is put in place.

    The machine that the backup is of must never run its node again: two with one key contradict each other.

    Args:
        folder: The backup.
        home: A folder that is missing or empty.

    Raises:
        HomeExists: There is something in it.
        BackupInvalid, SnapshotInvalid: The backup is not whole.
    """
    if home.exists() and any(home.iterdir()):
        raise HomeExists(home)
    backup = verify_backup(folder)
    make_private_folder(home)
    check_private(home)
    for name in files_of(folder / HOME_NAME, ()):
        if name in backup.files or is_record(name):
            copy_file(folder / HOME_NAME / name, home / name)
    return install_snapshot(
        folder / LEDGER_NAME / backup.snapshot,
        home,
        _genesis(folder, backup),
        checkpoint=None,
        allow_uncertified=True,
        replace=False,
    )


def read_backup(folder: Path) -> Backup:
    """
    What a backup's manifest says.

    Raises:
        BackupInvalid: It has none that this program knows.
    """
    try:
        with (folder / MANIFEST_NAME).open("rb") as file:
            fields = json.loads(file.read(MANIFEST_BYTES_MAX))
        if fields["version"] != VERSION:
            raise BackupInvalid(folder, f"version {fields['version']} is unknown to this program")
        return _parse(fields)
    except FileNotFoundError:
        raise BackupInvalid(folder, "it has no manifest, so it was not finished, or is none") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupInvalid(folder, f"its manifest cannot be read ({error})") from error


def _parse(fields: dict[str, Any]) -> Backup:
    files = {
        str(name): CopiedFile(bytes=int(copied["bytes"]), sha256=str(copied["sha256"]))
        for name, copied in fields["files"].items()
    }
    return Backup(
        version=VERSION,
        program=str(fields["program"]),
        chain_id=str(fields["chain_id"]),
        genesis=str(fields["genesis"]),
        created_ms=int(fields["created_ms"]),
        snapshot=Path(fields["snapshot"]).name,
        height=int(fields["height"]),
        is_certified=bool(fields["is_certified"]),
        records=int(fields["records"]),
        left_out=tuple(map(str, fields["left_out"])),
        files=files,
    )


def _genesis(folder: Path, backup: Backup) -> Genesis:
    """The founding document: from the backup, or from where the settings have it outside of the home."""
    genesis = read_genesis(folder / HOME_NAME / backup.genesis)
    if genesis.chain_id.hex() != backup.chain_id:
        raise BackupInvalid(folder, f"{backup.genesis} founds another chain than the manifest says")
    return genesis


def _verify_records(folder: Path) -> None:
    store = BlobStore(folder / HOME_NAME / RECORDS_NAME, reserve_bytes=0)
    for name in files_of(folder / HOME_NAME, ()):
        if is_record(name):
            try:
                store.verify(CiphertextHash(bytes.fromhex(Path(name).name)))
            except (BlobError, ValueError) as error:
                raise BackupInvalid(folder, f"{name}: {error}") from error


def _check_target(target: Path, home: Path, genesis: Genesis) -> None:
    if target.resolve().is_relative_to(home.resolve()):
        raise BackupRefused(target, "a backup within the home is lost with it; choose another disk")
    with os_errors(target):
        found = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if MANIFEST_NAME in found:
        earlier = read_backup(target)
        if earlier.chain_id != genesis.chain_id.hex():
            raise BackupRefused(target, "it has a backup of another chain; choose another folder")
    elif any(name not in (HOME_NAME, LEDGER_NAME) for name in found):
        raise BackupRefused(target, f"there is {found[0]}, which is no backup; choose another folder")
    named = home / FOUNDER_NAME
    earlier_named = target / HOME_NAME / FOUNDER_NAME
    if named.exists() and earlier_named.exists():
        owner = read_institution(earlier_named)
        if owner.id != read_institution(named).id:
            raise BackupRefused(target, f"it has a backup of {owner.legal_name!r}; choose another folder")


def _left_out(config: NodeConfig) -> Iterator[str]:
    """The passphrase's file, and what the settings place outside of the home."""
    source, _, rest = config.node.passphrase.partition(":")
    if source == "file":
        yield rest
    for name in (config.node.genesis, config.node.keys):
        if not config.path(name).is_relative_to(config.home):
            yield name


def _remove_others(folder: Path, names: Collection[str]) -> None:
    """Remove files that are not wanted any more: of earlier snapshots, and of records erased since."""
    wanted = frozenset(names)
    with os_errors(folder):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and str(path.relative_to(folder)) not in wanted:
                path.unlink()
                sync_folder(path.parent)
