"""A fresh node reaches the tip of a chain of a million operations from a snapshot; prints how long each part takes."""

import shutil
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from noded.ops.checkpoint import Checkpoint
from noded.ops.home import STORE_NAME, WAL_NAME
from noded.ops.snapshots import install_snapshot, take_snapshot
from noded.storage.lock import HomeLock
from noded.storage.wal import Wal
from noded.testnet.creating import create_testnet, homes
from noded.testnet.processes import Testnet
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import BlockHash, Height
from tests.helpers.fleet import status, until, until_height
from tests.helpers.record_chain import extend, make_long_chain, voters_of
from tests.helpers.stored_chain import StoredChain

pytestmark = [pytest.mark.integration, pytest.mark.slow]

OPERATIONS = 1_000_000
PER_BLOCK = 1_000
TAIL = 10_000
"""Operations ordered after the snapshot was made, which come by block sync."""

LIVE_BLOCKS = 8
"""Ordered by the members themselves before the fresh node comes: a network's own chain, not only a store's."""

PARAMETERS = replace(DEFAULT_PARAMETERS, idle_interval_ms=500)


def test_a_fresh_node_reaches_the_tip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "net"
    genesis = create_testnet(folder, 4, encrypted=False, parameters=PARAMETERS)
    member, *others, fresh = homes(folder)
    make_long_chain(folder, genesis, OPERATIONS - TAIL, per_block=PER_BLOCK)
    with HomeLock(member), closing(StoredChain(member / STORE_NAME, genesis, voters_of(folder))) as chain:
        left = TAIL

        def sleep(_: float) -> None:
            nonlocal left
            extend(chain, OPERATIONS - left, PER_BLOCK, per_block=PER_BLOCK)
            left -= PER_BLOCK

        listed = take_snapshot(member, genesis, patience_s=600, sleep=sleep)
        extend(chain, OPERATIONS - left, left, per_block=PER_BLOCK)
        tip = chain.ledger.final_height
        pinned = chain.ledger.block_hash_at(Height(5))
    assert pinned is not None

    began_s = time.monotonic()
    restored = install_snapshot(
        listed.path,
        fresh,
        genesis,
        checkpoint=Checkpoint(height=Height(5), hash=BlockHash(pinned)),
        allow_uncertified=False,
        replace=False,
    )
    restored_s = time.monotonic() - began_s
    assert restored.judged.is_certified
    for home in (member, *others):
        Wal(
            home / WAL_NAME, genesis.chain_id
        ).close()  # Nothing was signed, and with a log the members know that.
        if home != member:
            shutil.copy(member / STORE_NAME, home / STORE_NAME)
    with Testnet(folder) as testnet:
        *members, node = testnet.nodes
        for each in members:
            each.start()
        for each in members:
            each.wait_ready()
        until_height(members, tip + LIVE_BLOCKS)
        began_s = time.monotonic()
        node.start()
        node.wait_ready()
        until(lambda: status(node)["height"] == status(members[0])["height"], "the fresh node is at the tip")
        synced_s = time.monotonic() - began_s
    with capsys.disabled():
        print(
            f"\n{restored.judged.rows} keys, {listed.manifest.bytes / 1e6:.0f} MB: restored and proven in"
            f" {restored_s:.1f} s, started and synced {TAIL} operations in {synced_s:.1f} s"
        )
