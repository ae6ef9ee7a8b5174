import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from threading import Thread
from types import MappingProxyType

import pytest

from noded.errors import StorageError
from noded.storage.errors import (
    DiskFailed,
    SchemaTooNew,
    SchemaTooOld,
    SnapshotInvalid,
    StoreCorrupt,
    StoreExists,
    StoreMissing,
)
from noded.storage.files import alone_in
from noded.storage.schema import SCHEMA, TABLES, Schema
from noded.storage.snapshot import (
    create_snapshot,
    list_snapshots,
    migrate,
    restore_snapshot,
    verify_snapshot,
)
from noded.storage.sqlite import SqliteStore
from noded.storage.store import CommitBatch
from tests.helpers.limits import file_size_limit
from tests.helpers.store_rows import hash_of, make_blocks, make_row, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


def make_store(path: Path, last: int = 3) -> SqliteStore:
    store = SqliteStore(path)
    store.commit(CommitBatch(blocks=make_blocks(0, last), state_puts=[make_row(f"{i}") for i in range(500)]))
    return store


class TestSnapshot:
    def test_two_are_made_one_after_the_other(self, path: Path, folder: Path) -> None:
        make_store(path).close()
        folder.mkdir()
        with alone_in(folder):
            second = Thread(target=create_snapshot, args=(path, folder))
            second.start()
            second.join(0.2)
            assert second.is_alive()
            assert list(folder.iterdir()) == []
        second.join(60)

        [made] = list_snapshots(folder)
        verify_snapshot(made)

    def test_a_store_comes_back_from_a_snapshot_made_in_use(
        self, path: Path, folder: Path, tmp_path: Path
    ) -> None:
        store = make_store(path)
        snapshot = create_snapshot(path, folder)
        store.commit(put(make_row("later"), blocks=make_blocks(4, 4)))
        restored_path = tmp_path / "restored.db"
        manifest = restore_snapshot(snapshot, restored_path)
        restored = SqliteStore(restored_path)

        assert (manifest.schema, manifest.height) == (SCHEMA.version, 3)
        assert manifest.block_hash == hash_of("block 3").hex()
        assert restored.tip() == (3, hash_of("block 3"))
        assert restored.state_rows(b"", 1000) == sorted(make_row(f"{i}") for i in range(500))
        restored.commit(put(make_row("later"), blocks=make_blocks(4, 4)))
        assert restored.state_rows(b"", 1000) == store.state_rows(b"", 1000)
        restored.close()
        store.close()

    def test_an_empty_store_has_a_snapshot(self, path: Path, folder: Path) -> None:
        SqliteStore(path).close()

        assert verify_snapshot(create_snapshot(path, folder)).height == -1

    def test_snapshots_are_listed_by_height(self, path: Path, folder: Path) -> None:
        assert list_snapshots(folder) == []
        store = make_store(path, 9)
        first = create_snapshot(path, folder)
        store.commit(CommitBatch(blocks=make_blocks(10, 10)))
        second = create_snapshot(path, folder)
        store.close()

        assert list_snapshots(folder) == [first, second]

    def test_one_of_the_same_height_is_replaced(self, path: Path, folder: Path) -> None:
        make_store(path).close()
        create_snapshot(path, folder)

        verify_snapshot(create_snapshot(path, folder))
        assert len(list_snapshots(folder)) == 1

    def test_files_are_for_their_owner_only(self, path: Path, folder: Path) -> None:
        make_store(path).close()
        create_snapshot(path, folder)

        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}

    @pytest.mark.parametrize("position", [0, 100, -1])
    def test_a_flipped_bit_is_noticed(self, path: Path, folder: Path, tmp_path: Path, position: int) -> None:
        make_store(path).close()
        snapshot = create_snapshot(path, folder)
        data = bytearray(snapshot.read_bytes())
        data[position] ^= 1
        snapshot.write_bytes(data)

        with pytest.raises(SnapshotInvalid, match="SHA-256"):
            verify_snapshot(snapshot)
        with pytest.raises(SnapshotInvalid):
            restore_snapshot(snapshot, tmp_path / "restored.db")
        assert not (tmp_path / "restored.db").exists()

    def test_a_shortened_or_missing_file_is_noticed(self, path: Path, folder: Path) -> None:
        make_store(path).close()
        snapshot = create_snapshot(path, folder)
        snapshot.write_bytes(snapshot.read_bytes()[:-1])
        with pytest.raises(SnapshotInvalid, match="bytes, not"):
            verify_snapshot(snapshot)
        snapshot.unlink()
        with pytest.raises(SnapshotInvalid, match="missing"):
            verify_snapshot(snapshot)

    @pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"schema": "x"}', b"\xff"])
    def test_a_bad_manifest_is_noticed(self, path: Path, folder: Path, content: bytes) -> None:
        make_store(path).close()
        snapshot = create_snapshot(path, folder)
        snapshot.with_suffix(".json").write_bytes(content)

        with pytest.raises(SnapshotInvalid, match="manifest"):
            verify_snapshot(snapshot)

    def test_without_a_manifest_there_is_no_snapshot(self, path: Path, folder: Path) -> None:
        make_store(path).close()
        snapshot = create_snapshot(path, folder)
        snapshot.with_suffix(".json").unlink()

        assert list_snapshots(folder) == []
        with pytest.raises(SnapshotInvalid, match="manifest"):
            verify_snapshot(snapshot)

    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
    def test_nothing_is_restored_over_a_store(
        self, path: Path, folder: Path, suffix: str, tmp_path: Path
    ) -> None:
        make_store(path).close()
        snapshot = create_snapshot(path, folder)
        in_the_way = tmp_path / f"other.db{suffix}"
        in_the_way.write_bytes(b"kept")

        with pytest.raises(StoreExists, match=in_the_way.name):
            restore_snapshot(snapshot, tmp_path / "other.db")
        assert in_the_way.read_bytes() == b"kept"

    def test_a_snapshot_of_a_newer_schema_is_refused(self, path: Path, folder: Path, tmp_path: Path) -> None:
        make_store(path).close()
        snapshot = create_snapshot(path, folder)
        manifest = snapshot.with_suffix(".json")
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": 99}))

        with pytest.raises(SchemaTooNew):
            restore_snapshot(snapshot, tmp_path / "restored.db")

    def test_no_space_leaves_nothing(self, path: Path, folder: Path, tmp_path: Path) -> None:
        with closing(make_store(path)), file_size_limit(20_000), pytest.raises(StorageError) as refused:
            create_snapshot(path, folder)
        assert str(refused.value).startswith(f"{folder}: ")
        assert list(folder.iterdir()) == []
        snapshot = create_snapshot(path, folder)
        with file_size_limit(20_000), pytest.raises(StorageError):
            restore_snapshot(snapshot, tmp_path / "restored.db")

        assert [file.name for file in tmp_path.iterdir() if file.name.startswith("restored")] == []

    def test_a_missing_store_or_another_file_is_named(self, path: Path, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(StoreMissing):
            create_snapshot(path, folder)
        path.write_bytes(b"no database" * 1000)
        with pytest.raises(StoreCorrupt):
            create_snapshot(path, folder)


NEXT = Schema(
    version=SCHEMA.version + 1,
    tables=TABLES,
    upgrades=MappingProxyType(
        {SCHEMA.version: "ALTER TABLE meta ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"}
    ),
)
BROKEN = Schema(
    version=SCHEMA.version + 1,
    tables=TABLES,
    upgrades=MappingProxyType({SCHEMA.version: "DROP TABLE meta; INSERT INTO absent VALUES (1)"}),
)
TWICE = Schema(
    version=NEXT.version + 1,
    tables=TABLES,
    upgrades=MappingProxyType({**NEXT.upgrades, NEXT.version: "UPDATE meta SET note = 'twice'"}),
)


class TestMigrate:
    """S6: a newer schema is refused, an older one migrated whole or not at all, after a snapshot."""

    def test_an_older_store_is_led_to_the_new_schema(self, path: Path, folder: Path) -> None:
        store = make_store(path)
        store.commit(CommitBatch(meta=[("chain", b"id")]))
        store.close()
        with pytest.raises(SchemaTooOld, match="noded db migrate"):
            SqliteStore(path, schema=NEXT)
        snapshot = migrate(path, folder, schema=NEXT)

        migrated = SqliteStore(path, schema=NEXT)
        assert migrated.tip() == (3, hash_of("block 3"))
        assert migrated.meta("chain") == b"id"
        migrated.close()
        assert snapshot is not None
        assert verify_snapshot(snapshot).schema == SCHEMA.version
        assert migrate(path, folder, schema=NEXT) is None

    @pytest.mark.parametrize("version", [1, 2])
    def test_a_store_whose_state_is_of_another_tree_is_left_alone(
        self, path: Path, folder: Path, version: int
    ) -> None:
        make_store(path).close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        before = path.read_bytes()

        for use in (SqliteStore, lambda path: migrate(path, folder)):
            with pytest.raises(SchemaTooOld, match="begin with a new home"):
                use(path)
        assert path.read_bytes() == before
        assert not folder.exists()

    def test_several_versions_are_led_through_one_by_one(self, path: Path, folder: Path) -> None:
        store = make_store(path)
        store.commit(CommitBatch(meta=[("chain", b"id")]))
        store.close()
        migrate(path, folder, schema=TWICE)

        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT note FROM meta").fetchall() == [("twice",)]
        connection.close()

    def test_a_migration_that_fails_changes_nothing(self, path: Path, folder: Path) -> None:
        store = make_store(path)
        store.commit(CommitBatch(meta=[("chain", b"id")]))
        store.close()
        with pytest.raises(DiskFailed, match="absent"):
            migrate(path, folder, schema=BROKEN)

        store = SqliteStore(path)
        assert store.meta("chain") == b"id"
        store.close()
        assert len(list_snapshots(folder)) == 1

    def test_the_present_schema_needs_nothing(self, path: Path, folder: Path) -> None:
        make_store(path).close()

        assert migrate(path, folder) is None
        assert not folder.exists()

    def test_a_newer_schema_is_refused_and_left_alone(self, path: Path, folder: Path) -> None:
        make_store(path).close()
        migrate(path, folder, schema=NEXT)
        before = path.read_bytes()

        with pytest.raises(
            SchemaTooNew, match=f"has schema {NEXT.version}, this program knows up to {SCHEMA.version}"
        ):
            SqliteStore(path)
        with pytest.raises(SchemaTooNew):
            migrate(path, folder)
        assert path.read_bytes() == before
