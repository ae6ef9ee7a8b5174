from collections.abc import Sequence

import pytest
import trio
import trio.testing

from noded.api.backend import Outcome
from noded.daemon.waiting import WAITERS_MAX, TooManyWaiters, Waiters
from noded.ledger.commit import APPLIED, CommittedBlock
from noded.types.ids import Height, TransactionHash
from noded.types.operations.audit import AuditAnchor
from tests.helpers.ledger import START_MS, TestChain


def committed_block() -> CommittedBlock:
    """A block with two transactions."""
    chain = TestChain()
    anchors = [
        AuditAnchor(sequence=number, entries=0, root=None, until_ms=type(START_MS)(START_MS + number))
        for number in (1, 2)
    ]
    return chain.run(*(chain.transaction(anchor) for anchor in anchors))


def nowhere(names: Sequence[TransactionHash]) -> dict[TransactionHash, Outcome]:
    return {}


async def test_all_are_waited_for_and_noted() -> None:
    waiters, committed = Waiters(), committed_block()
    names = [entry.hash for entry in committed.entries]
    outcomes: dict[TransactionHash, Outcome] = {}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiters.transactions, names, nowhere, outcomes)
        await trio.testing.wait_all_tasks_blocked()
        assert outcomes == {}
        waiters.stored([committed])

    assert outcomes == {
        name: Outcome(Height(1), position, committed.receipts[position])
        for position, name in enumerate(names)
    }
    assert not waiters._by_transaction


async def test_what_the_store_has_already_is_not_waited_for() -> None:
    outcomes: dict[TransactionHash, Outcome] = {}
    known = Outcome(Height(7), 0, APPLIED)

    await Waiters().transactions(
        [TransactionHash(bytes(32))], lambda names: dict.fromkeys(names, known), outcomes
    )

    assert outcomes == {TransactionHash(bytes(32)): known}


async def test_who_gives_up_keeps_what_is_known_and_leaves_nothing_behind() -> None:
    waiters, committed = Waiters(), committed_block()
    stranger = TransactionHash(b"\1" * 32)
    name = committed.entries[0].hash
    outcomes: dict[TransactionHash, Outcome] = {}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiters.transactions, [stranger, name], nowhere, outcomes)
        await trio.testing.wait_all_tasks_blocked()
        waiters.stored([committed])
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert list(outcomes) == [name]
    assert not waiters._by_transaction


async def test_there_is_an_end_to_how_many_may_wait() -> None:
    names = [TransactionHash(number.to_bytes(32)) for number in range(WAITERS_MAX + 1)]

    with pytest.raises(TooManyWaiters):
        await Waiters().transactions(names, nowhere, {})


async def test_the_next_block_wakes_all_who_wait_for_it() -> None:
    waiters = Waiters()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiters.block)
        nursery.start_soon(waiters.block)
        await trio.testing.wait_all_tasks_blocked()
        waiters.stored([])
