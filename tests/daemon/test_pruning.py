"""A running node forgets old blocks as its settings say, which may change meanwhile."""

from contextlib import closing
from pathlib import Path

import pytest
import trio

from noded.daemon import pruning
from noded.daemon.pruning import Pruner
from noded.ops.pruning import prune_floor
from noded.storage.sqlite import SqliteStore
from tests.helpers.proofs import voting_genesis
from tests.helpers.stored_chain import BLOCKS, EPOCH_LENGTH, StoredChain

GENESIS = voting_genesis(4, epoch_length=EPOCH_LENGTH, batch_expiry_ms=2_000)


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "LOOK_S", 0.01)
    monkeypatch.setattr(pruning, "PRUNED_AT_ONCE", 2)


def first_body(store: SqliteStore) -> int:
    span = store.body_heights()
    assert span is not None
    return span[0]


async def test_old_blocks_go_when_the_setting_says_so_and_while_new_ones_come(tmp_path: Path) -> None:
    with closing(StoredChain(tmp_path / "store.db", GENESIS)) as chain:
        chain.grow(BLOCKS)
        pruner = Pruner(chain.store, keep=0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pruner.run)
            await trio.sleep(0.1)
            assert first_body(chain.store) == 0

            pruner.keep = EPOCH_LENGTH
            chain.grow(EPOCH_LENGTH)
            floor = prune_floor(chain.store, EPOCH_LENGTH).height
            assert floor > EPOCH_LENGTH
            with trio.fail_after(30):
                while first_body(chain.store) < floor:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

        assert first_body(chain.store) == floor
        chain.grow(1)
