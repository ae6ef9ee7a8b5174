"""Proofs assembled from ledger and store verify with nothing but the chain's id."""

from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from noded.api.backend import Busy, NotHere
from noded.daemon import proving
from noded.daemon.proving import prove
from noded.daemon.waiting import Waiters
from noded.ledger.commit import CommittedBlock
from noded.ledger.members import member_key
from noded.lightclient import decode_proof, verify
from noded.ops.rows import commit_batch
from noded.storage.memory import MemoryStore
from noded.storage.store import CommitBatch
from tests.helpers.ledger import member_id
from tests.helpers.proofs import ProvingChain, voting_genesis

KEY = member_key(member_id(1))


class Stored:
    """A chain whose every block is finalised and stored."""

    def __init__(self, **parameters: Any) -> None:
        self.proving = ProvingChain(voting_genesis(**parameters))
        self.store = MemoryStore()
        self.waiters = Waiters()
        self.store.commit(commit_batch(self.proving.chain.committed))

    def run(self, count: int = 1, *, certified: bool = True) -> None:
        for _ in range(count):
            header = self.proving.run()
            committed = self.proving.chain.committed[-1]
            if certified:
                committed = replace(committed, finalization=self.proving.finalization(header))
            self._store(committed)

    def _store(self, committed: CommittedBlock) -> None:
        self.store.commit(commit_batch([committed]))
        self.waiters.stored([committed])

    async def prove(self, key: bytes = KEY) -> bytes:
        ledger = self.proving.chain.ledger
        return await prove(ledger, self.proving.genesis, self.store, self.waiters, key)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "PATIENCE_S", 0.05)


async def test_a_value_is_proven_by_the_next_block() -> None:
    stored = Stored()
    stored.run(3)

    shown = verify(decode_proof(await stored.prove()), stored.proving.genesis.chain_id)

    assert (shown.height, shown.key) == (2, KEY)
    assert shown.value is not None


async def test_absence_is_proven_too() -> None:
    stored = Stored()
    stored.run(2)

    shown = verify(decode_proof(await stored.prove(b"rec/" + bytes(16))), stored.proving.genesis.chain_id)

    assert shown.value is None


async def test_it_leads_over_the_ends_of_epochs() -> None:
    stored = Stored(epoch_length=4)
    stored.run(11)

    proof = decode_proof(await stored.prove())

    assert [entry.terminal.epoch for entry in proof.epochs] == [1, 2]
    assert verify(proof, stored.proving.genesis.chain_id).epoch == 3


async def test_a_later_finalization_covers_the_headers_before_it() -> None:
    stored = Stored()
    stored.run(2)
    stored.run(certified=False)
    ledger = stored.proving.chain.ledger
    found: list[bytes] = []

    async def ask() -> None:
        found.append(await prove(ledger, stored.proving.genesis, stored.store, stored.waiters, KEY))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert found == []
        stored.run()

    assert verify(decode_proof(found[0]), stored.proving.genesis.chain_id).value is not None


@pytest.mark.usefixtures("impatient")
async def test_a_chain_that_stands_certifies_nothing() -> None:
    with pytest.raises(Busy, match="the chain may stand"):
        await Stored().prove()


async def test_an_end_of_an_epoch_that_is_missing_is_named() -> None:
    stored = Stored(epoch_length=4)
    stored.run(6)
    without = MemoryStore()
    for committed in stored.proving.chain.committed:
        batch = commit_batch([committed])
        stored_block = stored.store.block(committed.block.header.height)
        assert stored_block is not None
        without.commit(CommitBatch(blocks=[stored_block], bucket_roots=batch.bucket_roots))

    with pytest.raises(NotHere, match="epoch 1 ended"):
        await prove(stored.proving.chain.ledger, stored.proving.genesis, without, stored.waiters, KEY)
