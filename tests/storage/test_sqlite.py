"""What only the SQLite store does; the rest is in test_store."""

import sqlite3
import stat
import threading
from pathlib import Path
from random import Random

import pytest

from noded.storage import sqlite as sqlite_module
from noded.storage.errors import (
    DiskFailed,
    SchemaTooNew,
    StoreCorrupt,
    StoreMissing,
)
from noded.storage.schema import SCHEMA
from noded.storage.sqlite import SqliteStore, open_reader
from noded.storage.store import CommitBatch, StoredBatch, Tip
from tests.helpers.store_rows import hash_of, make_blocks, make_row, put
from tests.helpers.stores import pragma


class TestFile:
    def test_the_file_is_set_up_as_designed(self, path: Path) -> None:
        store = SqliteStore(path)
        writer = store._writer

        assert pragma(writer, "journal_mode") == "wal"
        assert pragma(writer, "synchronous") == 2
        assert pragma(writer, "page_size") == 4096
        assert pragma(writer, "auto_vacuum") == 2
        assert pragma(writer, "wal_autocheckpoint") == 0
        assert pragma(store._connection, "query_only") == 1
        store.close()

    def test_files_are_for_their_owner_only(self, path: Path) -> None:
        store = SqliteStore(path)
        store.commit(put(make_row("a")))

        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
        store.close()

    def test_closing_leaves_one_file(self, path: Path) -> None:
        store = SqliteStore(path)
        store.commit(put(make_row("a")))
        store.close()

        assert list(path.parent.iterdir()) == [path]

    def test_a_file_left_empty_by_a_crash_becomes_a_store(self, path: Path) -> None:
        path.touch(mode=0o600)
        store = SqliteStore(path)
        store.commit(put(make_row("a")))

        assert store.state_get(hash_of("a")) == b"value"
        store.close()

    def test_another_programs_database_is_refused(self, path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE other (x)")
        connection.close()

        with pytest.raises(StoreCorrupt, match="another program"):
            SqliteStore(path)
        with pytest.raises(StoreCorrupt, match="another program"):
            open_reader(path)

    def test_a_file_that_is_no_database_is_refused(self, path: Path) -> None:
        path.write_bytes(b"no database" * 1000)

        with pytest.raises(StoreCorrupt, match="put a snapshot or backup in its place") as refused:
            SqliteStore(path)
        assert refused.value.path == path

    def test_a_newer_schema_is_refused(self, path: Path) -> None:
        SqliteStore(path).close()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 7")
        connection.close()

        for attempt in (SqliteStore, open_reader):
            with pytest.raises(SchemaTooNew) as refused:
                attempt(path)
            assert (refused.value.found, refused.value.known) == (7, SCHEMA.version)

    def test_a_missing_folder_or_store_is_named(self, path: Path) -> None:
        with pytest.raises(StoreMissing, match=r"store\.db"):
            open_reader(path)
        with pytest.raises(DiskFailed, match="absent"):
            SqliteStore(path.parent / "absent" / "store.db")


class TestReaders:
    def test_a_snapshot_does_not_see_a_commit_made_meanwhile(self, path: Path) -> None:
        store = SqliteStore(path)
        reader = store.reader()
        store.commit(put(make_row("a", "1"), blocks=make_blocks(0, 0)))
        with reader.snapshot():
            assert reader.state_get(hash_of("a")) == b"1"
            store.commit(put(make_row("a", "2"), blocks=make_blocks(1, 1)))
            assert (reader.state_get(hash_of("a")), reader.tip()) == (b"1", Tip(0, hash_of("block 0")))

        assert (reader.state_get(hash_of("a")), reader.tip()) == (b"2", Tip(1, hash_of("block 1")))
        reader.close()
        store.close()

    def test_snapshots_do_not_nest(self, path: Path) -> None:
        store = SqliteStore(path)
        with store.snapshot(), pytest.raises(AssertionError), store.snapshot():
            pass
        store.close()

    def test_a_reader_writes_nothing(self, path: Path) -> None:
        store = SqliteStore(path)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            store.reader()._connection.execute("DELETE FROM state")
        store.close()

    def test_threads_read_while_one_writes(self, path: Path) -> None:
        store = SqliteStore(path)
        store.commit(CommitBatch(state_puts=[make_row("a", "0"), make_row("b", "0")]))
        torn: list[tuple[bytes | None, bytes | None]] = []
        done = threading.Event()

        def read() -> None:
            reader = store.reader()
            while not done.is_set():
                with reader.snapshot():
                    pair = reader.state_get(hash_of("a")), reader.state_get(hash_of("b"))
                if pair[0] != pair[1]:
                    torn.append(pair)
            reader.close()

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(100):
            store.commit(CommitBatch(state_puts=[make_row("a", str(number)), make_row("b", str(number))]))
            store.checkpoint()
        done.set()
        for thread in threads:
            thread.join()

        assert torn == []
        store.close()


class TestCheckpoint:
    def test_the_journal_is_copied_once_it_has_grown(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_module, "CHECKPOINT_PAGES", 50)
        store = SqliteStore(path)
        assert store.checkpoint()  # Whatever a crash may have left.
        before = path.stat().st_size
        store.commit(put(*(make_row(str(i)) for i in range(30))))
        assert not store.checkpoint()
        store.commit(put(*(make_row(str(i)) for i in range(30, 60))))
        assert store.checkpoint()
        assert not store.checkpoint()

        assert path.stat().st_size > before
        store.close()

    def test_long_values_count_by_their_pages(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite_module, "CHECKPOINT_PAGES", 50)
        store = SqliteStore(path)
        store.checkpoint()
        store.commit(CommitBatch(batches=[StoredBatch(hash_of("b"), None, bytes(50 * 4096))]))

        assert store.checkpoint()
        store.close()

    def test_a_reader_does_not_make_it_fail(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite_module, "CHECKPOINT_PAGES", 1)
        store = SqliteStore(path)
        reader = store.reader()
        store.commit(put(make_row("a", "1")))
        with reader.snapshot():
            assert reader.state_get(hash_of("a")) == b"1"
            store.commit(put(make_row("a", "2")))
            assert store.checkpoint()
            assert reader.state_get(hash_of("a")) == b"1"
        reader.close()
        store.close()


def test_bucket_roots_take_bounded_space(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "DELTA_ENTRIES_MAX", 10)
    store = SqliteStore(path)
    for height in range(50):
        roots = [(height, hash_of("a")), (height + 1, hash_of("b"))]
        store.commit(CommitBatch(blocks=make_blocks(height, height), bucket_roots=roots))
        (deltas,) = store._connection.execute("SELECT count(*) FROM tree_delta").fetchone()
        assert deltas <= 5

    assert store._connection.execute("SELECT count(*) FROM tree_base").fetchone() == (1,)
    store.close()


def test_pruned_space_goes_back_to_the_file_system(path: Path) -> None:
    store = SqliteStore(path)
    for height in range(20):
        batch = StoredBatch(hash_of(f"batch {height}"), height, Random(height).randbytes(50_000))
        store.commit(CommitBatch(blocks=make_blocks(height, height), batches=[batch]))
    store.reclaim()
    before = path.stat().st_size
    store.prune_blocks(15, 100)
    store.reclaim()

    assert before - path.stat().st_size > 15 * 50_000 * 0.9
    assert store.batch(hash_of("batch 15")) is not None
    store.close()


def test_space_goes_back_in_parts_while_much_is_free(path: Path) -> None:
    store = SqliteStore(path)
    for height in range(20):
        batch = StoredBatch(hash_of(f"batch {height}"), height, Random(height).randbytes(50_000))
        store.commit(CommitBatch(blocks=make_blocks(height, height), batches=[batch]))
    assert not store.reclaim_some(10)

    store.prune_blocks(15, 100)
    parts = 0
    while store.reclaim_some(10):
        parts += 1
    store.reclaim()

    assert parts > 5
    assert store.batch(hash_of("batch 15")) is not None
    store.close()
