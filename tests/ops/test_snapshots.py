"""O1–O4: a snapshot is proven before it becomes a store, and whatever is wrong with it is noticed."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noded.crypto.sparse_merkle import bucket_of, bucket_root, leaf_of, pack_leaves, path_of, with_leaf
from noded.lightclient import decode_proof, encode_proof
from noded.ops.checkpoint import Checkpoint
from noded.ops.home import STORE_NAME, WAL_NAME
from noded.ops.snapshots import (
    NotCertified,
    Restored,
    check_snapshot,
    install_snapshot,
    take_snapshot,
)
from noded.storage.errors import HomeLocked, SnapshotInvalid, StoreExists
from noded.storage.lock import HomeLock
from noded.storage.snapshot import create_snapshot, list_snapshots
from noded.storage.sqlite import SqliteStore, open_reader
from noded.storage.store import CommitBatch, Sidecar
from noded.storage.tree import encode_delta
from noded.types.genesis import Genesis
from noded.types.ids import Bitmap, BlockHash, Height
from tests.helpers.stored_chain import BLOCKS, EPOCH_LENGTH, StoredChain, make_store


def certified(home: Path, genesis: Genesis) -> Path:
    """A snapshot that the next block certifies."""
    with HomeLock(home), closing(StoredChain(home / STORE_NAME, genesis)) as chain:
        return take_snapshot(home, genesis, sleep=lambda _: chain.grow(1)).path


def install(path: Path, home: Path, genesis: Genesis, **changes: Any) -> Restored:
    options = {"checkpoint": None, "allow_uncertified": False, "replace": False, **changes}
    return install_snapshot(path, home, genesis, **options)


def state_root(home: Path) -> bytes:
    with closing(open_reader(home / STORE_NAME)) as reader:
        return reader.bucket_roots()


class TestTaking:
    def test_one_of_a_running_node_waits_for_its_certificate(self, home: Path, genesis: Genesis) -> None:
        waits = 0
        with HomeLock(home), closing(StoredChain(home / STORE_NAME, genesis)) as chain:

            def sleep(_: float) -> None:
                nonlocal waits
                waits += 1
                if waits == 3:
                    chain.grow(1)

            listed = take_snapshot(home, genesis, sleep=sleep)

        assert waits == 3
        assert listed.is_certified
        assert listed.manifest.height == BLOCKS
        assert list_snapshots(home / "snapshots") == [listed.path]

    def test_one_of_a_stopped_node_has_none(self, home: Path, genesis: Genesis) -> None:
        def sleep(_: float) -> None:
            raise AssertionError("nobody makes a block")

        listed = take_snapshot(home, genesis, sleep=sleep)

        assert not listed.is_certified
        assert not check_snapshot(listed.path, genesis, None).is_certified

    def test_waiting_has_an_end(self, home: Path, genesis: Genesis) -> None:
        times = iter(range(100))
        with HomeLock(home):
            listed = take_snapshot(
                home, genesis, patience_s=5, sleep=lambda _: None, clock_s=lambda: float(next(times))
            )

        assert not listed.is_certified

    @pytest.mark.parametrize("blocks", [EPOCH_LENGTH - 1, EPOCH_LENGTH, EPOCH_LENGTH + 1])
    def test_around_an_epochs_end(self, tmp_path: Path, genesis: Genesis, blocks: int) -> None:
        make_store(tmp_path / STORE_NAME, blocks, genesis=genesis)

        assert check_snapshot(certified(tmp_path, genesis), genesis, None).is_certified


class TestInstalling:
    def test_a_store_comes_back_as_it_was(self, home: Path, other: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        restored = install(path, other, genesis)

        assert restored.judged.height == BLOCKS
        assert restored.judged.is_certified
        assert restored.set_aside is None
        with closing(StoredChain(other / STORE_NAME, genesis)) as copy:
            assert copy.ledger.state_root_after(copy.tip) == restored.judged.state_root
            copy.grow(1)
        assert state_root(other) == state_root(home)

    def test_a_store_that_is_there_is_kept_unless_told(
        self, home: Path, other: Path, genesis: Genesis
    ) -> None:
        path = certified(home, genesis)
        make_store(other / STORE_NAME, 2, genesis=genesis)
        before = (other / STORE_NAME).read_bytes()

        with pytest.raises(StoreExists):
            install(path, other, genesis)
        assert (other / STORE_NAME).read_bytes() == before

        restored = install(path, other, genesis, replace=True)
        assert restored.set_aside is not None
        with closing(open_reader(restored.set_aside)) as old, closing(open_reader(other / STORE_NAME)) as new:
            tips = [old.tip(), new.tip()]
            assert [tip and tip.height for tip in tips] == [2, BLOCKS]

    def test_the_log_stays_and_keys_on_their_way_are_taken_over(
        self, home: Path, other: Path, genesis: Genesis
    ) -> None:
        path = certified(home, genesis)
        make_store(other / STORE_NAME, 2, genesis=genesis)
        sidecars = [Sidecar(bytes([number]) * 32, 7, b"sealed") for number in range(3)]
        with closing(SqliteStore(other / STORE_NAME)) as store:
            store.commit(CommitBatch(sidecars=sidecars))
        (other / WAL_NAME).mkdir()
        (other / WAL_NAME / "0000000000000001.wal").write_bytes(b"signed")

        install(path, other, genesis, replace=True)

        with closing(open_reader(other / STORE_NAME)) as reader:
            assert list(reader.sidecar_scan()) == sidecars
        assert (other / WAL_NAME / "0000000000000001.wal").read_bytes() == b"signed"

    def test_a_store_whose_node_was_killed_is_set_aside(
        self, home: Path, tmp_path: Path, genesis: Genesis
    ) -> None:
        path = certified(home, genesis)
        with closing(StoredChain(home / STORE_NAME, genesis)) as chain:
            chain.grow(1)
            killed = shutil.copytree(home, tmp_path / "killed")
        assert (killed / f"{STORE_NAME}-wal").stat().st_size > 0

        restored = install(path, killed, genesis, replace=True)

        assert restored.set_aside is not None
        with (
            closing(open_reader(restored.set_aside)) as old,
            closing(open_reader(killed / STORE_NAME)) as new,
        ):
            tips = [old.tip(), new.tip()]
            assert [tip and tip.height for tip in tips] == [BLOCKS + 2, BLOCKS]

    def test_a_home_in_use_is_left_alone(self, home: Path, other: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)

        with HomeLock(other), pytest.raises(HomeLocked):
            install(path, other, genesis)
        assert not (other / STORE_NAME).exists()

    def test_without_a_certificate_only_when_told(self, home: Path, other: Path, genesis: Genesis) -> None:
        path = take_snapshot(home, genesis).path

        with pytest.raises(NotCertified):
            install(path, other, genesis)
        assert list(other.iterdir()) == [other / "lock"]
        assert not install(path, other, genesis, allow_uncertified=True).judged.is_certified


class TestCheckpoint:
    def test_a_block_of_the_chain_is_found_on_it(self, home: Path, other: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        with closing(open_reader(home / STORE_NAME)) as reader:
            blocks = [reader.block(height) for height in (0, 4, BLOCKS)]

        for stored in blocks:
            assert stored is not None
            checkpoint = Checkpoint(height=Height(stored.height), hash=BlockHash(stored.hash))
            assert check_snapshot(path, genesis, checkpoint).height == BLOCKS

    def test_another_block_at_its_height_is_refused(self, home: Path, other: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        checkpoint = Checkpoint(height=Height(4), hash=BlockHash(bytes(32)))

        with pytest.raises(SnapshotInvalid, match="the checkpoint says"):
            install(path, other, genesis, checkpoint=checkpoint)
        assert not (other / STORE_NAME).exists()

    def test_a_snapshot_below_it_proves_nothing(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        checkpoint = Checkpoint(height=Height(BLOCKS + 1), hash=BlockHash(bytes(32)))

        with pytest.raises(SnapshotInvalid, match="below the checkpoint"):
            check_snapshot(path, genesis, checkpoint)


class TestForgeries:
    """Whoever hands out a snapshot can change all of it, its manifest included."""

    def forge(self, path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Change the store in a snapshot, and describe the result as a good one."""
        store = path.parent / "forged.db"
        store.write_bytes(path.read_bytes())
        with closing(sqlite3.connect(store)) as connection:
            for sql, arguments in statements:
                assert connection.execute(sql, arguments).rowcount > 0
            connection.commit()
        proof = path.with_suffix(".proof").read_bytes()
        path.unlink()
        create_snapshot(store, path.parent).with_suffix(".proof").write_bytes(proof)

    def refused(self, path: Path, genesis: Genesis, match: str) -> None:
        with pytest.raises(SnapshotInvalid, match=match):
            check_snapshot(path, genesis, None)

    def test_a_changed_value(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        self.forge(path, ("UPDATE contents SET value = x'00' WHERE key = ?", (b"org/",)))

        self.refused(path, genesis, "does not belong to its leaf")

    def test_a_changed_value_with_leaf_and_roots_to_match(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        key = b"org/"
        place = path_of(key)
        leaf = leaf_of(b"forged")
        with closing(open_reader(path)) as reader:
            leaves = pack_leaves(reader.state_bucket(bucket_of(place)))
        root = bucket_root(with_leaf(leaves, place, leaf))
        delta = encode_delta([(bucket_of(place), root)])
        self.forge(
            path,
            ("UPDATE contents SET value = ? WHERE key = ?", (b"forged", key)),
            ("UPDATE state SET leaf = ? WHERE path = ?", (leaf, place)),
            ("UPDATE tree_delta SET roots = CAST(roots || ? AS BLOB) WHERE height = ?", (delta, BLOCKS)),
        )

        self.refused(path, genesis, "the certificate is of the state")

    def test_a_removed_key(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        self.forge(path, ("DELETE FROM contents WHERE key = ?", (b"org/",)))

        self.refused(path, genesis, "does not belong to its leaves")

    def test_another_header(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        self.forge(
            path,
            ("UPDATE blocks SET header = (SELECT header FROM blocks WHERE height = 4) WHERE height = 5", ()),
        )

        self.refused(path, genesis, "height 5 is missing")

    def test_a_missing_header(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        self.forge(path, ("DELETE FROM blocks WHERE height = 3", ()))

        self.refused(path, genesis, "height 3 is missing")

    def test_a_missing_end_of_an_epoch(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        self.forge(path, ("DELETE FROM meta WHERE key = 'epoch/1'", ()))

        self.refused(path, genesis, "epoch 1 ended")

    def test_swapped_ends_of_epochs(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        self.forge(
            path,
            (
                "UPDATE meta SET value = (SELECT value FROM meta WHERE key = 'epoch/1') WHERE key = 'epoch/2'",
                (),
            ),
        )

        self.refused(path, genesis, "end of epoch 2|epoch 1 ended")

    def test_no_finalization_of_the_last_block(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        self.forge(path, ("DELETE FROM certificates WHERE height = ?", (BLOCKS,)))
        assert check_snapshot(path, genesis, None).is_certified  # Its child's proves it as well.

        path.with_suffix(".proof").unlink()
        self.refused(path, genesis, "no finalization")

    def test_a_certificate_of_another_height(self, home: Path, genesis: Genesis) -> None:
        first = certified(home, genesis)
        second = certified(home, genesis)
        second.with_suffix(".proof").write_bytes(first.with_suffix(".proof").read_bytes())

        self.refused(second, genesis, "the certificate is of the state")

    def test_a_certificate_without_a_quorum(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        proof_path = path.with_suffix(".proof")
        proof = decode_proof(proof_path.read_bytes())
        weak = replace(
            proof.finalization, bitmap=Bitmap(bytes([0b0011])), signatures=proof.finalization.signatures[:2]
        )
        proof_path.write_bytes(encode_proof(replace(proof, finalization=weak)))

        self.refused(path, genesis, "no quorum")

    def test_a_file_that_is_no_certificate(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)
        path.with_suffix(".proof").write_bytes(b"noise")

        self.refused(path, genesis, "no proof")

    def test_another_chain(self, home: Path, genesis: Genesis) -> None:
        path = certified(home, genesis)

        self.refused(path, replace(genesis, name="other"), "genesis document")
