"""O6: what is pruned is what nobody needs again; proofs of what is kept still verify."""

import stat
from contextlib import closing
from pathlib import Path

from noded.ledger.head import block_key
from noded.lightclient import verify
from noded.ops.checking import check_database
from noded.ops.home import STORE_NAME
from noded.ops.judging import certify
from noded.ops.pruning import prune, prune_floor
from noded.ops.rows import read_block, read_header
from noded.ops.snapshots import check_snapshot, take_snapshot
from noded.storage.sqlite import SqliteStore, open_reader
from noded.types.genesis import Genesis
from noded.types.ids import Height
from tests.helpers.proofs import voting_genesis
from tests.helpers.stored_chain import BLOCKS, EPOCH_LENGTH, StoredChain

LAST_END = 2 * EPOCH_LENGTH
"""Height of the last block that ended an epoch."""

EXPIRED = {"epoch_length": EPOCH_LENGTH, "batch_expiry_ms": 2_000}
"""Blocks come every second."""


def make(path: Path, blocks: int) -> Genesis:
    genesis = voting_genesis(4, **EXPIRED)
    with closing(StoredChain(path / STORE_NAME, genesis)) as chain:
        chain.grow(blocks, per_block=5)
    return genesis


class TestFloor:
    def test_the_newest_blocks_stay(self, tmp_path: Path) -> None:
        make(tmp_path, BLOCKS)
        with closing(open_reader(tmp_path / STORE_NAME)) as reader:
            assert prune_floor(reader, 8).height == BLOCKS - 7

    def test_so_does_everything_since_the_last_end_of_an_epoch(self, tmp_path: Path) -> None:
        make(tmp_path, BLOCKS)
        with closing(open_reader(tmp_path / STORE_NAME)) as reader:
            assert prune_floor(reader, 1).height == LAST_END

    def test_so_do_blocks_whose_batches_could_be_named_again(self, home: Path) -> None:
        with closing(open_reader(home / STORE_NAME)) as reader:
            assert prune_floor(reader, 1).height == 0  # Batches of this chain expire after five minutes.

    def test_a_chain_shorter_than_what_is_kept_stays_whole(self, tmp_path: Path) -> None:
        make(tmp_path, BLOCKS)
        with closing(open_reader(tmp_path / STORE_NAME)) as reader:
            assert prune_floor(reader, 1000).height == 0


class TestPrune:
    def test_bodies_go_and_headers_stay(self, tmp_path: Path) -> None:
        genesis = make(tmp_path, BLOCKS)
        before = (tmp_path / STORE_NAME).stat().st_size
        with closing(SqliteStore(tmp_path / STORE_NAME)) as store:
            assert prune(store, prune_floor(store, 1)) == LAST_END
            assert prune(store, prune_floor(store, 1)) == 0

        with closing(open_reader(tmp_path / STORE_NAME)) as reader:
            assert [read_block(reader, height) is None for height in (0, LAST_END - 1, LAST_END)] == [
                True,
                True,
                False,
            ]
            assert read_header(reader, 3) is not None
        assert (tmp_path / STORE_NAME).stat().st_size < before
        assert stat.S_IMODE((tmp_path / STORE_NAME).stat().st_mode) == 0o600
        assert check_database(tmp_path, genesis).findings == ()

    def test_the_chain_goes_on_and_proofs_hold(self, tmp_path: Path) -> None:
        genesis = make(tmp_path, BLOCKS)
        with closing(SqliteStore(tmp_path / STORE_NAME)) as store:
            prune(store, prune_floor(store, 1))

        with closing(StoredChain(tmp_path / STORE_NAME, genesis)) as chain:
            chain.grow(1)
            key = block_key(Height(2))
            old = chain.ledger.prove(key)  # Which block stood at height 2, whose body is gone.
            assert old.value is not None
            listed = take_snapshot(tmp_path, genesis)
            chain.grow(1)
            with closing(open_reader(listed.path)) as taken:
                proof = certify(taken, chain.store, genesis)
            assert proof is not None
            assert verify(proof, genesis.chain_id).height == BLOCKS + 1

    def test_a_snapshot_of_a_pruned_store_is_whole(self, tmp_path: Path) -> None:
        genesis = make(tmp_path, BLOCKS)
        with closing(SqliteStore(tmp_path / STORE_NAME)) as store:
            prune(store, prune_floor(store, 1))

        assert check_snapshot(take_snapshot(tmp_path, genesis).path, genesis, None).height == BLOCKS
