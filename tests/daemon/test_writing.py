"""Blocks on their way to the store: all get there, and never more than a number of bytes wait."""

from collections.abc import Sequence
from dataclasses import replace

import trio
import trio.testing
from prometheus_client import CollectorRegistry, Histogram

from noded.daemon.writing import BYTES_WAITING_MAX, Writer
from noded.ledger.commit import CommittedBlock, NamedBatch
from noded.ops.rows import commit_batch
from noded.storage.memory import MemoryStore
from noded.types.ids import BatchHash
from tests.helpers.ledger import TestChain


async def test_large_blocks_wait_until_others_are_written() -> None:
    chain = TestChain()
    store = MemoryStore()
    store.commit(commit_batch(chain.committed))
    large = BYTES_WAITING_MAX // 2
    blocks = [
        replace(chain.run(), batches=(NamedBatch(BatchHash(bytes([number]) * 32), bytes(size)),))
        for number, size in enumerate((3 * large, 1, large, large))
    ]
    stored: list[int] = []
    handed_in: list[int] = []

    async def note(written: Sequence[CommittedBlock]) -> None:
        stored.extend(block.block.header.height for block in written)

    async def hand_in() -> None:
        for block in blocks:
            await writer.put(block)
            handed_in.append(block.block.header.height)

    writer = Writer(store, Histogram("commit", "-", registry=CollectorRegistry()), note)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand_in)
        await trio.testing.wait_all_tasks_blocked()
        assert handed_in == [1], "one that is too large goes alone"

        nursery.start_soon(writer.run)
        with trio.fail_after(60):
            while len(stored) < len(blocks):
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()

    assert stored == handed_in == [1, 2, 3, 4]
    tip = store.tip()
    assert tip is not None
    assert tip.height == 4
