"""SQLite where the machine fails it: full, broken or locked disks, and a killed process."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from noded.storage import sqlite as sqlite_module
from noded.storage.connection import storage_error
from noded.storage.errors import (
    DiskFailed,
    DiskFull,
    FileReadOnly,
    StoreCorrupt,
    StoreFailed,
    StoreLocked,
)
from noded.storage.sqlite import SqliteStore, open_reader
from noded.storage.store import CommitBatch, Tip
from tests.helpers.killing import Acknowledge, kill_while
from tests.helpers.limits import file_size_limit
from tests.helpers.store_rows import hash_of, make_blocks, make_row, put
from tests.helpers.stores import pragma

KILLS = 25


class TestFailures:
    """S1, S7: each names the file and the way out, and none leaves half a commit."""

    def test_a_full_disk(self, path: Path) -> None:
        store = SqliteStore(path)
        store.commit(put(make_row("a", "1"), blocks=make_blocks(0, 0)))
        with file_size_limit(60_000), pytest.raises((DiskFull, DiskFailed)) as refused:
            store.commit(put(*(make_row(str(i), "x" * 500) for i in range(500)), blocks=make_blocks(1, 1)))
        assert refused.value.path == path
        with pytest.raises(StoreFailed):
            store.commit(CommitBatch())
        assert store.tip() == Tip(0, hash_of("block 0"))
        assert len(store.state_rows(b"", 10)) == 1
        store.close()
        store = SqliteStore(path)

        assert store.tip() == Tip(0, hash_of("block 0"))
        assert store.state_rows(b"", 10) == [make_row("a", "1")]
        store.commit(CommitBatch(blocks=make_blocks(1, 1)))
        store.close()

    def test_a_database_as_large_as_it_may_be(self, path: Path) -> None:
        store = SqliteStore(path)
        store._writer.execute(f"PRAGMA max_page_count = {pragma(store._writer, 'page_count') + 2}")
        with pytest.raises(DiskFull, match="free space or prune"):
            store.commit(put(*(make_row(str(i), "x" * 500) for i in range(500))))

        assert store.state_rows(b"", 10) == []
        store.close()

    def test_another_process_writes(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.storage.connection.BUSY_TIMEOUT_MS", 1)
        store = SqliteStore(path)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match="stop the program that has it open"):
            store.commit(put(make_row("a")))
        other.execute("ROLLBACK")
        other.close()
        store.close()

    def test_damage_inside_the_file(self, path: Path) -> None:
        store = SqliteStore(path)
        store.commit(put(*(make_row(str(i), "x" * 300) for i in range(2000))))
        store.close()
        data = bytearray(path.read_bytes())
        for page in range(20, len(data) // 4096):
            data[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
        path.write_bytes(data)
        store = SqliteStore(path)

        with pytest.raises(StoreCorrupt, match="sync from the network"):
            store.state_rows(b"", 2000)
        store.close()

    def test_a_disk_that_cannot_be_read_within_a_snapshot(self, path: Path) -> None:
        """Its file is one for writing only beneath it; SQLite ends the transaction by itself then."""
        store = SqliteStore(path)
        store.commit(put(*(make_row(str(i), "x" * 500) for i in range(500)), blocks=make_blocks(0, 0)))
        store.close()
        with closing(open_reader(path)) as reader:
            unreadable = os.open(path, os.O_WRONLY)
            for number in map(int, os.listdir("/proc/self/fd")):
                if os.path.lexists(link := f"/proc/self/fd/{number}") and os.readlink(link) == str(path):
                    os.dup2(unreadable, number)
            with pytest.raises(DiskFailed), reader.snapshot():
                reader.state_rows(b"", 500)
            os.close(unreadable)

    def test_bucket_roots_of_a_wrong_length(self, path: Path) -> None:
        store = SqliteStore(path)
        store.commit(CommitBatch(blocks=make_blocks(0, 0), bucket_roots=[(1, hash_of("root"))]))
        store.close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE tree_delta SET roots = x'00'")
        connection.close()

        with pytest.raises(StoreCorrupt, match="roots of its state tree"):
            SqliteStore(path)

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            (sqlite3.SQLITE_FULL, DiskFull),
            (sqlite3.SQLITE_IOERR_SHMSIZE, DiskFull),
            (sqlite3.SQLITE_CORRUPT, StoreCorrupt),
            (sqlite3.SQLITE_NOTADB, StoreCorrupt),
            (sqlite3.SQLITE_BUSY, StoreLocked),
            (sqlite3.SQLITE_READONLY, FileReadOnly),
            (sqlite3.SQLITE_READONLY_DIRECTORY, FileReadOnly),
            (sqlite3.SQLITE_IOERR_FSYNC, DiskFailed),
            (sqlite3.SQLITE_CANTOPEN, DiskFailed),
            (None, StoreCorrupt),
        ],
    )
    def test_codes_of_sqlite_become_errors_with_a_way_out(
        self, path: Path, code: int | None, expected: type[Exception]
    ) -> None:
        error = sqlite3.OperationalError("reason")
        if code is not None:
            error.sqlite_errorcode = code

        assert type(storage_error(path, error)) is expected

    def test_a_bug_of_ours_is_not_taken_for_the_machines(self, path: Path) -> None:
        store = SqliteStore(path)
        nothing: Any = None
        with pytest.raises(sqlite3.IntegrityError):
            store.commit(CommitBatch(meta=[("key", nothing)]))

        assert store.meta("key") is None
        store.close()


def test_a_killed_process_leaves_whole_commits(path: Path) -> None:
    """SIGKILL in the middle of commits and checkpoints, again and again on one file."""
    random = Random(3)
    acknowledged = -1
    for _ in range(KILLS):
        acknowledged = kill_while_committing(path, acknowledged, after=random.randrange(1, 12))
        store = SqliteStore(path)
        tip = store.tip()
        assert tip is not None
        assert acknowledged <= tip.height <= acknowledged + 1
        expected = b"%d" % tip.height
        assert {store.state_get(hash_of(f"every {i}")) for i in range(20)} == {expected}
        assert store.state_get(hash_of(f"own {tip.height}")) == expected
        assert store.state_get(hash_of(f"own {tip.height + 1}")) is None
        root = store.bucket_roots()[7 * 32 : 8 * 32]
        assert root == hash_of(f"root {tip.height}")
        assert store._writer.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        acknowledged = tip.height
        store.close()
    assert acknowledged >= KILLS


def kill_while_committing(path: Path, last: int, *, after: int) -> int:
    """Let a process commit heights above `last`, kill it after some are acknowledged; the last acknowledged."""

    def commit(acknowledge: Acknowledge) -> None:
        pytest.MonkeyPatch().setattr(sqlite_module, "CHECKPOINT_PAGES", 60)
        store = SqliteStore(path)
        for height in range(last + 1, last + 1000):
            rows = [make_row(f"every {i}", str(height)) for i in range(20)]
            rows.append(make_row(f"own {height}", str(height)))
            roots = [(7, hash_of(f"root {height}"))]
            store.commit(CommitBatch(blocks=make_blocks(height, height), state_puts=rows, bucket_roots=roots))
            acknowledge(height)
            store.checkpoint()

    return kill_while(commit, last, after=after)
