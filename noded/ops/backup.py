"""
Backups of a whole home, made while its node runs.

    backup.json      what is in it: sizes and SHA-256 of all files but records, which are named by what they hold
    ledger/          a snapshot of the store, with its proof
    home/            keys as they are sealed, settings, founding document, records and their keys, patients, tokens
    unfinished/      files for `home` while a backup is being made; the earlier one stays good until all are here (O10)

Left out are the consensus log (a copy of it would forget what was signed since, so the restored node follows without
voting until an epoch whose start it witnesses), the passphrase (whoever has it and the backup has the keys), and what
the node can fetch again. A later backup to the same folder copies new records only, and removes those erased since.
"""

import json
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from noded import __version__
from noded.blobs.errors import BlobError
from noded.blobs.store import BlobReader
from noded.config import CONFIG_NAME, NodeConfig
from noded.errors import NodedError
from noded.keys.files import check_private, make_private_folder
from noded.ops.backup_manifest import MANIFEST_NAME, VERSION, Backup, BackupInvalid, read_backup
from noded.ops.founding import read_genesis
from noded.ops.home import FOUNDER_NAME, HomeExists, read_institution
from noded.ops.home_files import RECORDS_NAME, CopiedFile, copy_file, describe_file, files_of, is_record
from noded.ops.snapshots import Restored, check_snapshot, install_snapshot, take_snapshot
from noded.storage.files import alone_in, os_errors, sync_folder, write_private
from noded.types.genesis import Genesis
from noded.types.medical import CiphertextHash

HOME_NAME: Final = "home"
LEDGER_NAME: Final = "ledger"
UNFINISHED_NAME: Final = "unfinished"


class BackupRefused(NodedError):
    """A backup cannot be made here; nothing was changed."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


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
        StorageError: It could not be made; an earlier one in the folder is as it was.
    """
    genesis = read_genesis(config.path(config.node.genesis))
    _check_target(target, config.home, genesis)
    make_private_folder(target)
    check_private(target)
    with alone_in(target):
        _check_target(target, config.home, genesis)
        return _create(config, genesis, target, now_ms, sleep)


def _create(
    config: NodeConfig, genesis: Genesis, target: Path, now_ms: int, sleep: Callable[[float], None]
) -> Backup:
    home, unfinished = config.home, target / UNFINISHED_NAME
    with os_errors(target):
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        sync_folder(target)
    listed = take_snapshot(home, genesis, target / LEDGER_NAME, sleep=sleep)
    if listed.manifest.height < 1:
        raise BackupRefused(home, "the chain has no block yet; `noded keys export` saves the keys")
    left_out = list(_left_out(config))
    files: dict[str, CopiedFile] = {}
    records = []
    for name in files_of(home, left_out):
        if not is_record(name):
            copied = copy_file(home / name, unfinished / name)
            if copied is not None:
                files[name] = copied
        elif _is_there(home / name, target / HOME_NAME / name) or copy_file(
            home / name, target / HOME_NAME / name
        ):
            records.append(name)
    backup = Backup(
        version=VERSION,
        program=__version__,
        chain_id=genesis.chain_id.hex(),
        genesis=config.node.genesis,
        created_ms=now_ms,
        snapshot=listed.path.name,
        height=listed.manifest.height,
        is_certified=listed.is_certified,
        records=len(records),
        left_out=tuple(left_out),
        files=files,
    )
    with os_errors(target):
        write_private(unfinished / MANIFEST_NAME, json.dumps(asdict(backup), indent=1).encode() + b"\n")
        (target / MANIFEST_NAME).unlink(missing_ok=True)
        sync_folder(target)
        for name in files:
            _put(unfinished / name, target / HOME_NAME / name)
        _remove_others(target / LEDGER_NAME, {path.name for path in listed.files()})
        _remove_others(target / HOME_NAME, {*files, *records})
        _put(unfinished / MANIFEST_NAME, target / MANIFEST_NAME)
        shutil.rmtree(unfinished)
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
    if records < backup.records:  # More, where the next backup was interrupted.
        raise BackupInvalid(folder, f"it has {records} records, not {backup.records}")
    if records:
        _verify_records(folder)
    judged = check_snapshot(folder / LEDGER_NAME / backup.snapshot, _genesis(folder, backup), None)
    if judged.height != backup.height:
        raise BackupInvalid(folder, f"its ledger ends at height {judged.height}, not {backup.height}")
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
    restored = install_snapshot(
        folder / LEDGER_NAME / backup.snapshot,
        home,
        _genesis(folder, backup),
        checkpoint=None,
        allow_uncertified=True,
        replace=False,
    )
    names = [name for name in files_of(folder / HOME_NAME, ()) if name in backup.files or is_record(name)]
    for name in sorted(names, key=lambda name: name == CONFIG_NAME):  # Without settings it is no home yet.
        copy_file(folder / HOME_NAME / name, home / name)
    return restored


def _genesis(folder: Path, backup: Backup) -> Genesis:
    """The founding document: from the backup, or from where the settings have it outside of the home."""
    genesis = read_genesis(folder / HOME_NAME / backup.genesis)
    if genesis.chain_id.hex() != backup.chain_id:
        raise BackupInvalid(folder, f"{backup.genesis} founds another chain than the manifest says")
    return genesis


def _verify_records(folder: Path) -> None:
    store = BlobReader(folder / HOME_NAME / RECORDS_NAME)
    for name in files_of(folder / HOME_NAME, ()):
        if is_record(name):
            try:
                store.verify(CiphertextHash(bytes.fromhex(Path(name).name)))
            except (BlobError, ValueError) as error:
                raise BackupInvalid(
                    folder,
                    f"{HOME_NAME}/{name} is damaged",
                    "check the disk, remove that file and make the backup again, which copies it anew; or use another",
                ) from error


def _check_target(target: Path, home: Path, genesis: Genesis) -> None:
    if target.resolve().is_relative_to(home.resolve()):
        raise BackupRefused(target, "a backup within the home is lost with it; choose another disk")
    with os_errors(target):
        found = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if MANIFEST_NAME in found:
        earlier = read_backup(target)
        if earlier.chain_id != genesis.chain_id.hex():
            raise BackupRefused(target, "it has a backup of another chain; choose another folder")
    elif found and UNFINISHED_NAME not in found:
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
    for name in (config.node.genesis, config.node.keys, config.api.tls_certificate, config.api.tls_key):
        if name and not config.path(name).is_relative_to(config.home):
            yield name


def _is_there(record: Path, copy: Path) -> bool:
    """Whether an earlier backup has a record, as far as its size tells; what it holds, only `verify_backup` reads."""
    try:
        return copy.stat().st_size == record.stat().st_size
    except FileNotFoundError:
        return False


def _put(new: Path, place: Path) -> None:
    """Give a file that is durable its place."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new.replace(place)
    sync_folder(place.parent)


def _remove_others(folder: Path, names: Collection[str]) -> None:
    """Remove files that are not wanted any more: of earlier snapshots, and of records erased since."""
    wanted = frozenset(names)
    with os_errors(folder):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and str(path.relative_to(folder)) not in wanted:
                path.unlink()
                sync_folder(path.parent)
