"""The judges of these tests see what they are to see: a vote that contradicts another, a chain that is another."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from noded.ops.home import WAL_NAME
from noded.storage.wal import Wal
from noded.storage.wal_format import WalRecord
from noded.types.ids import BlockHash
from noded.types.records import RECORDS, VoteRecord
from noded.types.vote import VoteKind
from tests.helpers.fleet import check_agreement, check_signatures, fleet
from tests.helpers.steady_load import SteadyLoad

pytestmark = pytest.mark.integration


def test_a_rival_vote_and_a_rival_chain_are_seen(tmp_path: Path) -> None:
    with (
        fleet(tmp_path / "net", 1) as (testnet, genesis),
        fleet(tmp_path / "other", 1) as (other, _),
    ):
        [node], [stranger] = testnet.nodes, other.nodes
        with SteadyLoad([node], genesis, senders=1) as load:
            load.until_more(1)
        assert (testnet.stop(), other.stop()) == ([0], [0])
    check_agreement([node.home])
    assert check_signatures([node.home]) > 0

    with pytest.raises(AssertionError, match="another chain"):
        check_agreement([node.home, stranger.home])

    wal = Wal(node.home / WAL_NAME, genesis.chain_id)
    with closing(wal):
        records = [RECORDS.decode(entry.payload, max_bytes=1 << 21) for entry in wal.replay()]
        votes = [record.vote for record in records if isinstance(record, VoteRecord)]
        vote = next(vote for vote in votes if vote.kind is VoteKind.NOTARIZE)
        rival = VoteRecord(vote=replace(vote, block_hash=BlockHash(bytes(32))))
        wal.append([WalRecord(0, 0, RECORDS.encode(rival))])
    with pytest.raises(AssertionError, match="signed two NOTARIZE votes"):
        check_signatures([node.home])
