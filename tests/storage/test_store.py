"""What every store does: the same tests against SQLite and memory."""

from sqlite3 import IntegrityError

import pytest

from noded.storage.store import (
    HEIGHT_MAX,
    BlockEvents,
    CommitBatch,
    IndexRow,
    Sidecar,
    StateRow,
    Store,
    StoredBatch,
    Tip,
)
from tests.helpers.store_rows import hash_of, make_block, make_blocks, make_place, make_row, put
from tests.helpers.stores import Restartable, everything, read_everything


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
    def test_a_block_has_a_certificate_or_none(self, store: Store) -> None:
        store.commit(
            CommitBatch(blocks=[make_block(0, certificate=b"whole"), make_block(1, certificate=None)])
        )

        assert [store.block(height) for height in (0, 1)] == [
            make_block(0, certificate=b"whole"),
            make_block(1, certificate=None),
        ]

    def test_the_greatest_height_is_stored(self, store: Store) -> None:
        store.commit(CommitBatch(blocks=make_blocks(HEIGHT_MAX, HEIGHT_MAX)))

        assert store.block(HEIGHT_MAX) == make_block(HEIGHT_MAX)

    def test_events_come_in_pages_from_a_height_on(self, store: Store) -> None:
        store.commit(CommitBatch(blocks=make_blocks(0, 9)))

        assert [height for height, _ in store.events(3, 4)] == [3, 4, 5, 6]
        assert [height for height, _ in store.events(8, 4)] == [8, 9]
        assert store.events(10, 4) == []


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


def test_a_key_that_is_there_is_not_added(store: Store) -> None:
    """Who says that a key is new must be right: else the store would have two."""
    store.commit(CommitBatch(state_puts=[make_row("a", "1")]))

    with pytest.raises((IntegrityError, AssertionError)):
        store.commit(CommitBatch(state_adds=[make_row("a", "2")]))
