"""What a store gives back of what was committed."""

import pytest

from noded.crypto.sparse_merkle import BUCKETS
from noded.storage import sqlite as sqlite_module
from noded.storage.store import (
    HEIGHT_MAX,
    POSITION_MAX,
    CommitBatch,
    IndexRow,
    Store,
    StoredBatch,
    TransactionPlace,
)
from tests.helpers.store_rows import hash_of, make_blocks, make_place, make_row, put
from tests.helpers.stores import Restartable, roots_of


class TestState:
    def test_a_put_replaces_and_a_delete_removes(self, store: Store) -> None:
        store.commit(put(make_row("a", "1"), make_row("b", "1")))
        store.commit(
            CommitBatch(state_puts=[make_row("a", "2")], state_deletes=[hash_of("b"), hash_of("never")])
        )

        assert store.state_rows(b"", 10) == [make_row("a", "2")]
        assert store.state_get(hash_of("b")) is None

    def test_a_bucket_holds_exactly_the_paths_that_begin_with_its_number(self, store: Store) -> None:
        ends = [b"\x00" * 30, b"\x00" * 29 + b"\x01", b"\x7f" * 30, b"\xff" * 30]
        rows = [
            make_row(f"{bucket}/{i}", path=bucket.to_bytes(2, "big") + end)
            for bucket in (0, 1, 255, 256, BUCKETS - 1)
            for i, end in enumerate(ends)
        ]
        store.commit(put(*reversed(rows)))

        for bucket in (0, 1, 255, 256, BUCKETS - 1):
            assert store.state_bucket(bucket) == [
                (row.path, row.leaf) for row in rows if row.path[:2] == bucket.to_bytes(2, "big")
            ]
        assert store.state_bucket(2) == []

    def test_a_deleted_key_leaves_its_bucket(self, store: Store) -> None:
        row = make_row("a")
        store.commit(put(row))
        store.commit(CommitBatch(state_deletes=[row.path]))

        assert store.state_bucket(int.from_bytes(row.path[:2], "big")) == []

    def test_rows_come_in_pages_by_path(self, store: Store) -> None:
        rows = sorted(make_row(str(i)) for i in range(10))
        store.commit(put(*rows))

        assert store.state_rows(b"", 4) == rows[:4]
        assert store.state_rows(rows[3].path, 4) == rows[4:8]
        assert store.state_rows(rows[9].path, 4) == []


class TestBucketRoots:
    @pytest.mark.parametrize("entries_max", [1, 100, 10_000])
    def test_the_latest_root_of_each_bucket_is_kept(
        self, kept: Restartable, entries_max: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_module, "DELTA_ENTRIES_MAX", entries_max)
        for height in range(600):
            if height % 100 == 50:
                kept.reopen()
            roots = [(height % 50, hash_of(f"root {height}")), (1000 + height, hash_of(f"own {height}"))]
            kept.store.commit(CommitBatch(blocks=make_blocks(height, height), bucket_roots=roots))
        expected = [(i, hash_of(f"root {550 + i}")) for i in range(50)]
        expected += [(1000 + i, hash_of(f"own {i}")) for i in range(600)]

        assert roots_of(kept.store) == expected
        assert roots_of(kept.reopen()) == expected

    def test_several_blocks_in_one_commit_count_as_the_last(self, kept: Restartable) -> None:
        kept.store.commit(CommitBatch(blocks=make_blocks(0, 700), bucket_roots=[(1, hash_of("x"))]))
        kept.store.commit(CommitBatch(blocks=make_blocks(701, 702), bucket_roots=[(2, hash_of("y"))]))

        assert roots_of(kept.reopen()) == [(1, hash_of("x")), (2, hash_of("y"))]


class TestIndex:
    def test_a_range_has_its_prefix_and_comes_in_pages(self, store: Store) -> None:
        keys = [b"a", b"b", b"b/1", b"b/2", b"b/3", b"b\xff", b"c"]
        store.commit(CommitBatch(index_puts=[IndexRow(key, b"v" + key) for key in reversed(keys)]))

        assert [row.key for row in store.index_range(b"b", b"", 10)] == [
            b"b",
            b"b/1",
            b"b/2",
            b"b/3",
            b"b\xff",
        ]
        assert [row.key for row in store.index_range(b"b/", b"", 2)] == [b"b/1", b"b/2"]
        assert [row.key for row in store.index_range(b"b/", b"b/2", 2)] == [b"b/3"]
        assert store.index_range(b"b/", b"b/3", 2) == []
        assert [row.key for row in store.index_range(b"", b"", 10)] == keys
        assert store.index_range(b"d", b"", 10) == []

    def test_a_prefix_of_the_highest_bytes_has_no_end(self, store: Store) -> None:
        keys = [b"\xfe", b"\xff", b"\xff\xff", b"\xff\xff\x01"]
        store.commit(CommitBatch(index_puts=[IndexRow(key, b"") for key in keys]))

        assert [row.key for row in store.index_range(b"\xff", b"", 10)] == keys[1:]
        assert [row.key for row in store.index_range(b"\xff\xff", b"", 10)] == keys[2:]

    def test_a_cursor_below_the_prefix_begins_at_the_prefix(self, store: Store) -> None:
        store.commit(CommitBatch(index_puts=[IndexRow(b"a", b""), IndexRow(b"b", b"")]))

        assert [row.key for row in store.index_range(b"b", b"a", 10)] == [b"b"]

    def test_a_cursor_above_the_prefix_finds_nothing(self, store: Store) -> None:
        store.commit(CommitBatch(index_puts=[IndexRow(b"b/1", b""), IndexRow(b"c", b"")]))

        assert store.index_range(b"b/", b"bz", 10) == []

    def test_deletes_come_before_puts(self, store: Store) -> None:
        store.commit(CommitBatch(index_puts=[IndexRow(b"a", b"1"), IndexRow(b"b", b"1")]))
        store.commit(CommitBatch(index_puts=[IndexRow(b"a", b"2")], index_deletes=[b"a", b"b", b"never"]))

        assert store.index_range(b"", b"", 10) == [IndexRow(b"a", b"2")]
        assert store.index_get(b"a") == b"2"


class TestTransactions:
    def test_the_extremes_of_a_place_come_back(self, store: Store) -> None:
        places = [
            TransactionPlace(hash_of("low"), 0, 0, False),
            TransactionPlace(hash_of("high"), HEIGHT_MAX, POSITION_MAX, True),
        ]
        store.commit(CommitBatch(transactions=places))

        assert [store.transaction(place.hash) for place in places] == places

    def test_the_first_copy_is_kept(self, store: Store) -> None:
        first = make_place("t", height=1)
        store.commit(CommitBatch(transactions=[first, make_place("t", height=1, position=1, applied=False)]))
        store.commit(CommitBatch(transactions=[make_place("t", height=2, applied=False)]))

        assert store.transaction(first.hash) == first

    def test_a_copy_that_took_effect_replaces_one_that_did_not(self, store: Store) -> None:
        applied = make_place("t", height=2)
        store.commit(CommitBatch(transactions=[make_place("t", height=1, applied=False)]))
        store.commit(CommitBatch(transactions=[applied]))

        assert store.transaction(applied.hash) == applied

    def test_hashes_that_share_eight_bytes_are_kept_apart(self, kept: Restartable) -> None:
        places = [
            TransactionPlace(b"\xee" * 8 + hash_of(str(i))[8:], 1, i, applied=i % 2 == 0) for i in range(4)
        ]
        kept.store.commit(CommitBatch(transactions=places[:2]))
        kept.store.commit(CommitBatch(transactions=[*places[2:], make_place("other", position=9)]))
        kept.store.commit(
            CommitBatch(transactions=[place._replace(height=5, applied=True) for place in places])
        )
        store = kept.reopen()

        assert [store.transaction(place.hash) for place in places] == [
            place if place.applied else place._replace(height=5, applied=True) for place in places
        ]
        assert store.transaction(b"\xee" * 8 + bytes(24)) is None


class TestBatches:
    def test_a_stored_batch_gets_its_height_once_named(self, store: Store) -> None:
        store.commit(CommitBatch(batches=[StoredBatch(hash_of("b"), None, b"data")]))
        store.commit(CommitBatch(batches=[StoredBatch(hash_of("b"), 3, b"data")]))
        store.commit(CommitBatch(batches=[StoredBatch(hash_of("b"), None, b"data")]))

        assert store.batch(hash_of("b")) == StoredBatch(hash_of("b"), 3, b"data")
