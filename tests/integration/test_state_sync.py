"""A fresh node reaches the tip of a chain of a million operations from a snapshot; prints how long each part takes."""

import shutil
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from noded.config import load
from noded.keys.names import CONSENSUS
from noded.keys.signer import WatermarkSigner
from noded.ops.checkpoint import Checkpoint
from noded.ops.home import FOUNDER_NAME, STORE_NAME, WAL_NAME, open_keys, read_institution
from noded.ops.rows import read_block
from noded.ops.snapshots import install_snapshot, take_snapshot
from noded.storage.lock import HomeLock
from noded.storage.sqlite import open_reader
from noded.storage.wal import Wal
from noded.storage.wal_format import WalRecord
from noded.testnet.creating import create_testnet, homes
from noded.testnet.processes import Testnet
from noded.types.block import Block
from noded.types.genesis import DEFAULT_PARAMETERS, Genesis
from noded.types.ids import BlockHash, Height
from noded.types.records import RECORDS, VoteRecord
from noded.types.vote import Vote, VoteKind, vote_signing_bytes
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
    with closing(open_reader(member / STORE_NAME)) as reader:
        last = read_block(reader, tip)
    assert last is not None

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
        remember_vote(home, genesis, last)
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


def remember_vote(home: Path, genesis: Genesis, last: Block) -> None:
    """Write what a member's log says after all these blocks: that its key voted for the last one (A3)."""
    keystore, header = open_keys(load(home, {})), last.header
    signer = WatermarkSigner(keystore.secret(CONSENSUS), genesis.chain_id)
    kind, voter = VoteKind.FINALIZE, read_institution(home / FOUNDER_NAME).id
    message = vote_signing_bytes(genesis.chain_id, kind, header.epoch, header.view, last.hash)
    vote = Vote(
        kind=kind,
        epoch=header.epoch,
        view=header.view,
        block_hash=last.hash,
        voter=voter,
        signature=signer.sign_vote(kind, header.epoch, header.view, last.hash, message),
    )
    record = VoteRecord(vote=vote)
    with closing(Wal(home / WAL_NAME, genesis.chain_id)) as wal:
        list(wal.replay())
        wal.append([WalRecord(RECORDS.tag_of(VoteRecord), header.height, RECORDS.encode(record))])
