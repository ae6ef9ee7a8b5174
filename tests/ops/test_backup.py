"""A backup brings a whole home back; it has no log, no passphrase, and nothing that was erased before it."""

import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path
from threading import Thread

import pytest

from noded.blobs.custody import Custodian, NewVersion
from noded.blobs.keys import RecordKeys
from noded.blobs.sealed_file import SealedFile
from noded.blobs.store import BlobStore
from noded.config import NodeConfig, load
from noded.errors import StorageError
from noded.keys.names import DATA
from noded.ops.backup import BackupRefused, create_backup, restore_backup, verify_backup
from noded.ops.backup_manifest import Backup, BackupInvalid, read_backup
from noded.ops.founding import write_genesis
from noded.ops.home import (
    FOUNDER_NAME,
    GENESIS_NAME,
    STORE_NAME,
    WAL_NAME,
    HomeExists,
    open_keys,
    read_institution,
    write_institution,
)
from noded.storage.errors import SnapshotInvalid
from noded.storage.lock import HomeLock
from noded.storage.sqlite import open_reader
from noded.testnet.creating import PASSPHRASE_NAME, create_testnet
from noded.types.genesis import Genesis
from noded.types.ids import InstitutionId
from noded.types.medical import RecordId, Version
from tests.helpers.stored_chain import BLOCKS, StoredChain, make_store

CANARY = b"plaintext of a record"
NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, template: Path, genesis: Genesis) -> Path:
    """A home with everything in it, of a node that keeps a record."""
    folder = tmp_path_factory.mktemp("whole") / "net"
    create_testnet(folder, 1, encrypted=True)
    home = folder / "node1"
    write_genesis(home / GENESIS_NAME, genesis)
    shutil.copy(template / STORE_NAME, home / STORE_NAME)
    (home / WAL_NAME).mkdir()
    (home / WAL_NAME / "0000000000000001.wal").write_bytes(b"signed")
    (home / "node.log").write_text("lines")
    keep(home, b"record one......", CANARY)
    return home


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    """A backup of it."""
    target = tmp_path_factory.mktemp("made") / "backup"
    create_backup(load(whole, {}), target, now_ms=NOW_MS)
    return target


@pytest.fixture
def config(tmp_path: Path, whole: Path) -> NodeConfig:
    return load(shutil.copytree(whole, tmp_path / "home"), {})


def custody(home: Path) -> tuple[SealedFile, Custodian]:
    file = SealedFile(home / "record-keys.sqlite", open_keys(load(home, {})).secret(DATA))
    return file, Custodian(BlobStore(home / "records", reserve_bytes=0), RecordKeys(file))


def keep(home: Path, record: bytes, content: bytes) -> None:
    file, custodian = custody(home)
    with closing(file):
        custodian.keep([NewVersion(record=RecordId(record), version=Version(1), content=content)])


def back_up(config: NodeConfig, target: Path) -> Backup:
    return create_backup(config, target, now_ms=NOW_MS)


class TestCreate:
    def test_a_home_comes_back(self, config: NodeConfig, tmp_path: Path, template: Path) -> None:
        made = back_up(config, tmp_path / "backup")
        restored = restore_backup(tmp_path / "backup", tmp_path / "new")

        assert (made.height, made.records, restored.judged.height) == (BLOCKS, 1, BLOCKS)
        with (
            closing(open_reader(tmp_path / "new" / STORE_NAME)) as new,
            closing(open_reader(template / STORE_NAME)) as old,
        ):
            assert new.bucket_roots() == old.bucket_roots()
        assert not (tmp_path / "new" / WAL_NAME).exists()
        for name in ("config.toml", "institution.json", GENESIS_NAME, "keys/consensus.key"):
            assert (tmp_path / "new" / name).read_bytes() == (config.home / name).read_bytes()

    def test_records_come_back_with_their_keys(self, config: NodeConfig, tmp_path: Path) -> None:
        back_up(config, tmp_path / "backup")
        new = tmp_path / "new"
        restore_backup(tmp_path / "backup", new)
        (new / PASSPHRASE_NAME).write_bytes((config.home / PASSPHRASE_NAME).read_bytes())
        (new / PASSPHRASE_NAME).chmod(0o600)

        file, custodian = custody(new)
        with closing(file):
            assert custodian.read(RecordId(b"record one......"), Version(1)) == CANARY

    def test_what_would_open_the_keys_is_left_out_and_said(self, config: NodeConfig, tmp_path: Path) -> None:
        made = back_up(config, tmp_path / "backup")

        assert made.left_out == (PASSPHRASE_NAME,)
        passphrase = (config.home / PASSPHRASE_NAME).read_bytes().strip()
        files = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
        assert len(files) > 10
        for path in files:
            assert passphrase not in path.read_bytes()
            assert CANARY not in path.read_bytes()
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_it_is_made_while_the_node_has_its_files_open(self, config: NodeConfig, tmp_path: Path) -> None:
        file, custodian = custody(config.home)
        with HomeLock(config.home), closing(StoredChain(config.home / STORE_NAME)) as chain, closing(file):
            custodian.keep(
                [NewVersion(record=RecordId(b"record two......"), version=Version(1), content=b"2")]
            )
            chain.grow(1)
            listed = []

            def sleep(_: float) -> None:
                chain.grow(1)
                listed.append(1)

            made = create_backup(config, tmp_path / "backup", now_ms=NOW_MS, sleep=sleep)
            custodian.erase(RecordId(b"record two......"))

        assert (made.height, made.is_certified, made.records, listed) == (BLOCKS + 1, True, 2, [1])
        assert verify_backup(tmp_path / "backup") == made

    def test_one_that_is_begun_meanwhile_waits(
        self, config: NodeConfig, genesis: Genesis, tmp_path: Path
    ) -> None:
        """Each removes the other's snapshot as one of an earlier backup."""
        target = tmp_path / "backup"
        with HomeLock(config.home), closing(StoredChain(config.home / STORE_NAME, genesis)) as chain:

            def grow(_: float) -> None:
                chain.grow(1)

            meanwhile = Thread(
                target=create_backup, args=(config, target), kwargs={"now_ms": NOW_MS, "sleep": grow}
            )

            def sleep(_: float) -> None:
                chain.grow(1)
                if meanwhile.ident is None:
                    meanwhile.start()
                    meanwhile.join(2)

            create_backup(config, target, now_ms=NOW_MS, sleep=sleep)
            meanwhile.join(120)

        verify_backup(target)

    def test_the_next_one_takes_what_is_new_and_drops_what_was_erased(
        self, config: NodeConfig, tmp_path: Path
    ) -> None:
        back_up(config, tmp_path / "backup")
        (blob,) = (tmp_path / "backup" / "home" / "records").rglob("??/*")
        kept = blob.stat().st_mtime_ns
        keep(config.home, b"record two......", b"2")
        assert back_up(config, tmp_path / "backup").records == 2
        assert blob.stat().st_mtime_ns == kept

        file, custodian = custody(config.home)
        with closing(file):
            custodian.erase(RecordId(b"record one......"))
        assert back_up(config, tmp_path / "backup").records == 1
        assert not blob.exists()
        assert len(list((tmp_path / "backup" / "ledger").glob("*.snapshot"))) == 1
        verify_backup(tmp_path / "backup")

    def test_the_next_one_copies_a_record_of_another_size_anew(
        self, config: NodeConfig, tmp_path: Path
    ) -> None:
        """Such as a disk leaves that lost its last writes."""
        back_up(config, tmp_path / "backup")
        (blob,) = (tmp_path / "backup" / "home" / "records").rglob("??/*")
        blob.write_bytes(b"")

        back_up(config, tmp_path / "backup")

        verify_backup(tmp_path / "backup")

    def test_a_damaged_record_is_copied_anew_as_the_complaint_says(
        self, config: NodeConfig, tmp_path: Path
    ) -> None:
        back_up(config, tmp_path / "backup")
        (blob,) = (tmp_path / "backup" / "home" / "records").rglob("??/*")
        blob.write_bytes(bytes(blob.stat().st_size))
        back_up(config, tmp_path / "backup")
        with pytest.raises(BackupInvalid, match=f"{blob.name} is damaged; .*remove that file"):
            verify_backup(tmp_path / "backup")

        blob.unlink()
        back_up(config, tmp_path / "backup")

        verify_backup(tmp_path / "backup")

    def test_what_the_settings_have_elsewhere_is_said_to_be_left_out(
        self, config: NodeConfig, tmp_path: Path
    ) -> None:
        tls = {"NODED_API__TLS_CERTIFICATE": "/etc/tls.pem", "NODED_API__TLS_KEY": "/etc/tls.key"}

        made = back_up(load(config.home, tls), tmp_path / "backup")

        assert made.left_out == (PASSPHRASE_NAME, "/etc/tls.pem", "/etc/tls.key")

    def test_a_chain_without_blocks_is_refused(self, config: NodeConfig, tmp_path: Path) -> None:
        (config.home / STORE_NAME).unlink()
        make_store(config.home / STORE_NAME, 0)

        with pytest.raises(BackupRefused, match="no block yet"):
            back_up(config, tmp_path / "backup")

    def test_other_files_are_not_touched(self, config: NodeConfig, tmp_path: Path) -> None:
        (tmp_path / "target").mkdir(mode=0o700)
        (tmp_path / "target" / "thesis").write_text("mine")

        with pytest.raises(BackupRefused, match="thesis"):
            back_up(config, tmp_path / "target")
        assert [path.name for path in (tmp_path / "target").iterdir()] == ["thesis"]

    @pytest.mark.parametrize("name", ["home", "ledger"])
    def test_a_disk_with_a_folder_of_that_name_is_not_touched(
        self, config: NodeConfig, tmp_path: Path, name: str
    ) -> None:
        """A disk with other people's `home` on it is no unfinished backup (O10)."""
        thesis = tmp_path / "disk" / name / "alice" / "thesis"
        thesis.parent.mkdir(parents=True)
        thesis.write_text("mine")
        (tmp_path / "disk").chmod(0o700)

        with pytest.raises(BackupRefused, match=f"there is {name}, which is no backup"):
            back_up(config, tmp_path / "disk")
        assert thesis.read_text() == "mine"

    @pytest.mark.parametrize("fails_at", ["config.toml", "backup.json.new"])
    def test_an_earlier_one_stays_good_when_the_next_fails(
        self, config: NodeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str
    ) -> None:
        """As on a disk that becomes full; the next attempt finds its way (O10)."""
        target = tmp_path / "backup"
        made = back_up(config, target)
        keep(config.home, b"record two......", b"2")
        original = os.fsync

        def full(descriptor: int) -> None:
            if Path(f"/proc/self/fd/{descriptor}").readlink().name.startswith(fails_at):
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            original(descriptor)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(StorageError, match="no space left"):
                back_up(config, target)

        assert verify_backup(target) == made
        assert back_up(config, target).records == 2
        assert verify_backup(target).records == 2
        assert sorted(path.name for path in target.iterdir()) == ["backup.json", "home", "ledger"]

    def test_a_first_one_that_failed_can_be_made_again(self, config: NodeConfig, tmp_path: Path) -> None:
        (tmp_path / "backup" / "unfinished").mkdir(mode=0o700, parents=True)
        (tmp_path / "backup").chmod(0o700)
        (tmp_path / "backup" / "unfinished" / "config.toml.new").write_text("")

        assert back_up(config, tmp_path / "backup").records == 1
        verify_backup(tmp_path / "backup")

    def test_a_folder_within_the_home_is_refused(self, config: NodeConfig) -> None:
        with pytest.raises(BackupRefused, match="another disk"):
            back_up(config, config.home / "backup")

    def test_a_backup_of_another_chain_is_not_overwritten(
        self, config: NodeConfig, tmp_path: Path, genesis: Genesis
    ) -> None:
        back_up(config, tmp_path / "backup")
        write_genesis(config.home / GENESIS_NAME, replace(genesis, name="other"))

        with pytest.raises(BackupRefused, match="another chain"):
            back_up(config, tmp_path / "backup")
        assert read_backup(tmp_path / "backup").height == BLOCKS

    def test_a_backup_of_another_institution_is_not_overwritten(
        self, config: NodeConfig, tmp_path: Path
    ) -> None:
        back_up(config, tmp_path / "backup")
        keys = (tmp_path / "backup" / "home" / "keys" / "consensus.key").read_bytes()
        named = config.home / FOUNDER_NAME
        other = replace(read_institution(named), id=InstitutionId(bytes(16)))
        write_institution(named, other)

        with pytest.raises(BackupRefused, match=r"a backup of '.*'; choose another folder"):
            back_up(config, tmp_path / "backup")
        assert (tmp_path / "backup" / "home" / "keys" / "consensus.key").read_bytes() == keys
        assert read_backup(tmp_path / "backup").height == BLOCKS


class TestVerify:
    @pytest.fixture
    def backup(self, made: Path, tmp_path: Path) -> Path:
        return shutil.copytree(made, tmp_path / "backup")

    def refused(self, backup: Path, tmp_path: Path, match: str) -> None:
        with pytest.raises((BackupInvalid, SnapshotInvalid), match=match):
            restore_backup(backup, tmp_path / "new")
        assert not (tmp_path / "new").exists()

    def test_a_changed_file(self, backup: Path, tmp_path: Path) -> None:
        with (backup / "home" / "config.toml").open("a") as file:
            file.write("#\n")

        self.refused(backup, tmp_path, r"config\.toml has changed")

    def test_a_missing_file(self, backup: Path, tmp_path: Path) -> None:
        (backup / "home" / "keys" / "consensus.key").unlink()

        self.refused(backup, tmp_path, r"consensus\.key is missing")

    def test_a_changed_record(self, backup: Path, tmp_path: Path) -> None:
        (blob,) = (backup / "home" / "records").rglob("??/*")
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        blob.write_bytes(data)

        self.refused(backup, tmp_path, blob.name)

    def test_a_missing_record(self, backup: Path, tmp_path: Path) -> None:
        (blob,) = (backup / "home" / "records").rglob("??/*")
        blob.unlink()

        self.refused(backup, tmp_path, "0 records, not 1")

    def test_a_changed_ledger(self, backup: Path, tmp_path: Path) -> None:
        (snapshot,) = (backup / "ledger").glob("*.snapshot")
        with closing(sqlite3.connect(snapshot)) as connection:
            connection.execute("DELETE FROM contents WHERE key = ?", (b"org/",))
            connection.commit()

        self.refused(backup, tmp_path, "no valid snapshot")

    def test_one_that_was_not_finished(self, backup: Path, tmp_path: Path) -> None:
        (backup / "backup.json").unlink()

        self.refused(backup, tmp_path, "not finished")

    def test_one_of_a_later_program(self, backup: Path, tmp_path: Path) -> None:
        fields = json.loads((backup / "backup.json").read_text())
        (backup / "backup.json").write_text(json.dumps({**fields, "version": 2}))

        self.refused(backup, tmp_path, "version 2")

    def test_a_manifest_with_another_height(self, backup: Path, tmp_path: Path) -> None:
        fields = json.loads((backup / "backup.json").read_text())
        (backup / "backup.json").write_text(json.dumps({**fields, "height": BLOCKS + 1}))

        self.refused(backup, tmp_path, f"ends at height {BLOCKS}, not {BLOCKS + 1}")

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "files": []}'])
    def test_a_manifest_that_is_none(self, backup: Path, tmp_path: Path, content: str) -> None:
        (backup / "backup.json").write_text(content)

        self.refused(backup, tmp_path, "manifest cannot be read")

    def test_a_whole_one(self, backup: Path) -> None:
        assert verify_backup(backup) == read_backup(backup)

    def test_nothing_is_made_in_it(self, backup: Path) -> None:
        """It may be on a disk that can only be read."""
        before = {path: path.lstat().st_mtime_ns for path in [backup, *backup.rglob("*")]}

        verify_backup(backup)
        assert {path: path.lstat().st_mtime_ns for path in [backup, *backup.rglob("*")]} == before

    def test_a_restoration_that_ends_early_leaves_no_home(
        self, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Keys without settings and with a store: no node starts with them (O10)."""
        original = os.fsync

        def full(descriptor: int) -> None:
            if "new/keys/" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            original(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="no space left"):
            restore_backup(backup, tmp_path / "new")
        assert (tmp_path / "new" / STORE_NAME).exists()
        assert not (tmp_path / "new" / "config.toml").exists()

    def test_a_home_with_something_in_it_is_left_alone(self, backup: Path, tmp_path: Path) -> None:
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "thesis").write_text("mine")

        with pytest.raises(HomeExists):
            restore_backup(backup, tmp_path / "new")
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["thesis"]
