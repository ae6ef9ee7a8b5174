"""What every store does: the same tests against SQLite and memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.crypto.hashing import HASH_BYTES
from noded.crypto.sparse_merkle import BUCKETS
from noded.storage import sqlite as sqlite_module
from noded.storage.memory import MemoryStore
from noded.storage.sqlite import SqliteStore
from noded.storage.store import (
    HEIGHT_MAX,
    POSITION_MAX,
    BlockEvents,
    CertificateRow,
    CommitBatch,
    IndexRow,
    Sidecar,
    StateRow,
    Store,
    StoredBatch,
    Tip,
    TransactionPlace,
)
from tests.helpers.store_rows import hash_of, make_block, make_blocks, make_place, make_row, put


class Restartable:
    """A store that a test can close and open again."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.store: Store = MemoryStore() if path is None else SqliteStore(path)

    def reopen(self) -> Store:
        if self._path is None:
            assert isinstance(self.store, MemoryStore)
            self.store = self.store.crash()
        else:
            self.store.close()
            self.store = SqliteStore(self._path)
        return self.store


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restartable]:
    kept = Restartable(None if request.param == "memory" else tmp_path / "store.db")
    yield kept
    kept.store.close()


@pytest.fixture
def store(kept: Restartable) -> Store:
    return kept.store


def everything() -> CommitBatch:
    return CommitBatch(
        blocks=make_blocks(0, 2),
        state_puts=[make_row("a"), make_row("b")],
        bucket_roots=[(7, hash_of("root 7")), (65535, hash_of("root 65535"))],
        index_puts=[IndexRow(b"k/1", b"1"), IndexRow(b"k/2", b"2")],
        transactions=[make_place("t", height=2, position=5)],
        batches=[StoredBatch(hash_of("batch"), 1, b"batch"), StoredBatch(hash_of("open"), None, b"open")],
        sidecars=[Sidecar(hash_of("wrap"), 100, b"wrap")],
        meta=[("chain", b"id")],
    )


def roots_of(store: Store) -> list[tuple[int, bytes]]:
    """The buckets that were written, with their roots."""
    blob = store.bucket_roots()
    assert len(blob) == BUCKETS * HASH_BYTES
    roots = [(bucket, blob[bucket * HASH_BYTES : (bucket + 1) * HASH_BYTES]) for bucket in range(BUCKETS)]
    return [(bucket, root) for bucket, root in roots if root != bytes(HASH_BYTES)]


def read_everything(store: Store) -> list[Any]:
    return [
        store.tip(),
        [store.block(height) for height in range(4)],
        [store.block_height(hash_of(f"block {height}")) for height in range(4)],
        store.state_rows(b"", 10),
        roots_of(store),
        store.index_range(b"", b"", 10),
        store.transaction(hash_of("t")),
        store.batch(hash_of("batch")),
        store.batch(hash_of("open")),
        store.sidecar(hash_of("wrap")),
        store.meta("chain"),
        store.events(0, 10),
    ]


class TestEmpty:
    def test_an_empty_store_has_nothing(self, store: Store) -> None:
        assert read_everything(store) == [None, [None] * 4, [None] * 4, [], [], [], *[None] * 5, []]
        assert store.state_get(hash_of("a")) is None
        assert store.state_bucket(0) == []
        assert store.index_get(b"k") is None

    def test_an_empty_batch_changes_nothing(self, store: Store) -> None:
        store.commit(CommitBatch())

        assert store.tip() is None


class TestCommit:
    """S1: a commit is written whole or not at all, and is durable when it returns."""

    def test_all_parts_are_read_back(self, store: Store) -> None:
        store.commit(everything())

        assert read_everything(store) == [
            Tip(2, hash_of("block 2")),
            [*make_blocks(0, 2), None],
            [0, 1, 2, None],
            sorted([make_row("a"), make_row("b")]),
            [(7, hash_of("root 7")), (65535, hash_of("root 65535"))],
            [IndexRow(b"k/1", b"1"), IndexRow(b"k/2", b"2")],
            make_place("t", height=2, position=5),
            StoredBatch(hash_of("batch"), 1, b"batch"),
            StoredBatch(hash_of("open"), None, b"open"),
            b"wrap",
            b"id",
            [BlockEvents(height, b"events %d" % height) for height in range(3)],
        ]

    def test_all_parts_survive_a_restart(self, kept: Restartable) -> None:
        kept.store.commit(everything())
        before = read_everything(kept.store)

        assert read_everything(kept.reopen()) == before

    def test_a_gap_in_the_heights_is_a_bug_and_writes_nothing(self, store: Store) -> None:
        store.commit(CommitBatch(blocks=make_blocks(0, 0)))

        with pytest.raises(AssertionError):
            store.commit(put(make_row("a"), blocks=make_blocks(2, 2)))
        assert store.tip() == Tip(0, hash_of("block 0"))
        assert store.state_rows(b"", 1) == []
        store.commit(CommitBatch(blocks=make_blocks(1, 1)))

    def test_heights_go_on_after_a_restart(self, kept: Restartable) -> None:
        kept.store.commit(CommitBatch(blocks=make_blocks(0, 1)))
        store = kept.reopen()

        with pytest.raises(AssertionError):
            store.commit(CommitBatch(blocks=make_blocks(1, 1)))
        store.commit(CommitBatch(blocks=make_blocks(2, 2)))
        assert store.tip() == Tip(2, hash_of("block 2"))

    def test_a_store_may_begin_at_any_height(self, store: Store) -> None:
        store.commit(CommitBatch(blocks=make_blocks(1000, 1001)))

        assert store.tip() == Tip(1001, hash_of("block 1001"))

    def test_a_path_written_twice_is_a_bug(self, store: Store) -> None:
        with pytest.raises(AssertionError):
            store.commit(put(make_row("a"), make_row("a", "other")))
        with pytest.raises(AssertionError):
            store.commit(CommitBatch(state_puts=[make_row("a")], state_deletes=[hash_of("a")]))

    def test_bucket_roots_without_a_block_are_a_bug(self, store: Store) -> None:
        with pytest.raises(AssertionError):
            store.commit(CommitBatch(bucket_roots=[(1, hash_of("root"))]))

    def test_bytes_of_any_value_and_length_come_back(self, store: Store) -> None:
        values = [b"", b"\x00", bytes(range(256)), b"\x00" * 100_000]
        rows = [
            StateRow(hash_of(str(i)), hash_of("leaf"), b"\x00" * i, value) for i, value in enumerate(values)
        ]
        store.commit(put(*rows))

        assert store.state_rows(b"", 10) == sorted(rows)
        assert [store.state_get(hash_of(str(i))) for i in range(4)] == values

    def test_another_reader_sees_what_is_committed(self, store: Store) -> None:
        reader = store.reader()
        store.commit(put(make_row("a", "1")))
        assert reader.state_get(hash_of("a")) == b"1"
        store.commit(put(make_row("a", "2")))
        assert reader.state_get(hash_of("a")) == b"2"
        reader.close()


class TestBlocks:
    def test_a_certificate_is_replaced_and_forgotten(self, store: Store) -> None:
        store.commit(CommitBatch(blocks=make_blocks(0, 1)))
        store.commit(CommitBatch(certificates=[CertificateRow(0, b"slim"), CertificateRow(1, None)]))

        assert [store.block(height) for height in (0, 1)] == [
            make_block(0, certificate=b"slim"),
            make_block(1, certificate=None),
        ]

    def test_a_certificate_comes_later_than_its_block(self, store: Store) -> None:
        store.commit(CommitBatch(blocks=[make_block(0, certificate=None)]))
        assert store.block(0) == make_block(0, certificate=None)
        store.commit(CommitBatch(certificates=[CertificateRow(0, b"late")]))

        assert store.block(0) == make_block(0, certificate=b"late")

    def test_the_greatest_height_is_stored(self, store: Store) -> None:
        store.commit(CommitBatch(blocks=make_blocks(HEIGHT_MAX, HEIGHT_MAX)))

        assert store.block(HEIGHT_MAX) == make_block(HEIGHT_MAX)

    def test_events_come_in_pages_from_a_height_on(self, store: Store) -> None:
        store.commit(CommitBatch(blocks=make_blocks(0, 9)))

        assert [height for height, _ in store.events(3, 4)] == [3, 4, 5, 6]
        assert [height for height, _ in store.events(8, 4)] == [8, 9]
        assert store.events(10, 4) == []


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

    def test_a_batch_that_expired_is_deleted(self, store: Store) -> None:
        store.commit(CommitBatch(batches=[StoredBatch(hash_of("b"), None, b"data")]))
        store.commit(CommitBatch(batch_deletes=[hash_of("b"), hash_of("never")]))

        assert store.batch(hash_of("b")) is None


class TestPrune:
    def test_pruned_blocks_keep_their_header_and_certificate(self, store: Store) -> None:
        batches = [StoredBatch(hash_of(f"batch {height}"), height, b"data") for height in range(6)]
        batches.append(StoredBatch(hash_of("open"), None, b"open"))
        store.commit(CommitBatch(blocks=make_blocks(0, 5), batches=batches, state_puts=[make_row("a")]))

        assert store.prune_blocks(4, 3) == 3
        assert store.prune_blocks(4, 3) == 1
        assert store.prune_blocks(4, 3) == 0
        assert [store.block(height) for height in range(6)] == [
            make_block(height, **({"body": None, "receipts": None, "events": None} if height < 4 else {}))
            for height in range(6)
        ]
        assert [store.batch(batch.hash) for batch in batches] == [None] * 4 + batches[4:]
        assert [height for height, _ in store.events(0, 10)] == [4, 5]
        assert store.tip() == Tip(5, hash_of("block 5"))
        assert store.state_get(hash_of("a")) == b"value"

    def test_expired_sidecars_are_forgotten(self, store: Store) -> None:
        sidecars = [Sidecar(hash_of(str(i)), 10 + i, b"%d" % i) for i in range(5)]
        store.commit(CommitBatch(sidecars=sidecars))

        assert store.prune_sidecars(9, 10) == 0
        assert store.prune_sidecars(13, 3) == 3
        assert store.prune_sidecars(13, 3) == 1
        assert [store.sidecar(sidecar.hash) for sidecar in sidecars] == [None] * 4 + [b"4"]

    def test_a_sidecar_sent_again_lives_longer_never_shorter(self, store: Store) -> None:
        store.commit(CommitBatch(sidecars=[Sidecar(hash_of("s"), 10, b"s")]))
        store.commit(CommitBatch(sidecars=[Sidecar(hash_of("s"), 20, b"s")]))
        store.commit(CommitBatch(sidecars=[Sidecar(hash_of("s"), 15, b"s")]))

        assert store.prune_sidecars(19, 10) == 0
        assert store.prune_sidecars(20, 10) == 1


def test_a_snapshot_ends_with_its_block(store: Store) -> None:
    store.commit(put(make_row("a", "1")))
    with store.snapshot():
        assert store.state_get(hash_of("a")) == b"1"
    store.commit(put(make_row("a", "2")))

    assert store.state_get(hash_of("a")) == b"2"


paths = st.binary(min_size=1, max_size=1).map(lambda b: hash_of(b.hex()))
keys = st.binary(max_size=3)
hashes = st.integers(0, 3).map(lambda i: hash_of(f"batch {i}"))
places = st.builds(
    lambda head, tail, height, applied: TransactionPlace(
        bytes([head]) * 8 + bytes([tail]) * 24, height, 0, applied
    ),
    st.integers(0, 1),
    st.integers(0, 2),
    st.integers(0, 3),
    st.booleans(),
)


@st.composite
def commit_batches(draw: st.DrawFn) -> list[CommitBatch]:
    """Batches that follow one another, with a block each, over few keys."""
    return [draw(commit_batch(height)) for height in range(draw(st.integers(1, 5)))]


@st.composite
def commit_batch(draw: st.DrawFn, height: int) -> CommitBatch:
    puts = draw(st.dictionaries(paths, st.binary(max_size=40), max_size=6))
    roots = draw(st.dictionaries(st.integers(0, 3), st.integers(1, 9), max_size=4))
    return CommitBatch(
        blocks=[make_block(height, certificate=draw(st.sampled_from([None, b"whole"])))],
        certificates=[
            CertificateRow(draw(st.integers(0, height)), data)
            for data in draw(st.lists(st.sampled_from([None, b"slim"]), max_size=3))
        ],
        state_puts=[StateRow(path, hash_of(value.hex()), b"key", value) for path, value in puts.items()],
        state_deletes=draw(st.lists(paths.filter(lambda path: path not in puts), max_size=4)),
        bucket_roots=[(bucket, bytes([root]) * 32) for bucket, root in roots.items()],
        index_puts=[
            IndexRow(*row) for row in draw(st.dictionaries(keys, st.binary(max_size=5), max_size=6)).items()
        ],
        index_deletes=draw(st.lists(keys, max_size=3)),
        transactions=draw(st.lists(places, max_size=5)),
        batches=draw(
            st.lists(
                st.builds(StoredBatch, hashes, st.none() | st.just(height), st.just(b"data")), max_size=3
            )
        ),
        batch_deletes=draw(st.lists(hashes, max_size=2)),
        sidecars=draw(st.lists(st.builds(Sidecar, hashes, st.integers(0, 9), st.just(b"wrap")), max_size=3)),
        meta=draw(st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=2)), max_size=3)),
    )


def dump(store: Store, batches: list[CommitBatch]) -> list[Any]:
    """All that the store has of what these batches name."""
    named = [place.hash for batch in batches for place in batch.transactions]
    kept = [hash_of(f"batch {i}") for i in range(4)]
    return [
        store.tip(),
        [store.block(height) for height in range(5)],
        store.state_rows(b"", 100),
        [store.state_bucket(int.from_bytes(row.path[:2], "big")) for row in store.state_rows(b"", 100)],
        store.bucket_roots()[:128],
        store.index_range(b"", b"", 100),
        [store.transaction(hash_) for hash_ in named],
        [store.batch(hash_) for hash_ in kept],
        [store.sidecar(hash_) for hash_ in kept],
        [store.meta(key) for key in "ab"],
        [(now, store.prune_sidecars(now, 100)) for now in range(10)],
    ]


@settings(max_examples=40)
@given(batches=commit_batches(), prefix=keys, after=keys)
def test_both_stores_agree(
    tmp_path_factory: pytest.TempPathFactory, batches: list[CommitBatch], prefix: bytes, after: bytes
) -> None:
    memory = MemoryStore()
    sqlite = SqliteStore(tmp_path_factory.mktemp("agree") / "store.db")
    for batch in batches:
        memory.commit(batch)
        sqlite.commit(batch)

    assert sqlite.index_range(prefix, after, 4) == memory.index_range(prefix, after, 4)
    assert dump(sqlite, batches) == dump(memory, batches)
    sqlite.close()
