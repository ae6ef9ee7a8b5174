"""Committed blocks on their way into the store: one writer thread, several blocks in one transaction if they wait."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio
from prometheus_client import Histogram

from noded.ledger.commit import CommittedBlock
from noded.ops.rows import commit_batch
from noded.storage.store import Store
from noded.types.ids import Height

BLOCKS_WAITING_MAX = 256
"""Blocks between core and store; beyond them the core waits for the disk."""

BYTES_WAITING_MAX = 2 * 1024 * 1024
"""
Of the batches of these blocks: some 10,000 operations, three blocks of a saturated network.

With all that executing it gave, a block takes ten times the bytes of its batches, more in a large state.
"""

BLOCKS_PER_COMMIT_MAX = 32


class Writer:
    """Writes committed blocks in order; `stored` is called with each when it is durable."""

    def __init__(
        self,
        store: Store,
        duration: Histogram,
        stored: Callable[[Sequence[CommittedBlock]], Awaitable[None]],
    ) -> None:
        self._store = store
        self._duration = duration
        self._stored = stored
        self._bytes = 0
        self._written = trio.Event()
        self._sender, self._receiver = trio.open_memory_channel[CommittedBlock](BLOCKS_WAITING_MAX)

    async def put(self, committed: CommittedBlock) -> None:
        """Hand in the next block; waits while too many are on their way, or too large ones."""
        size = _size(committed)
        while self._bytes and self._bytes + size > BYTES_WAITING_MAX:
            await self._written.wait()
        self._bytes += size
        await self._sender.send(committed)

    async def run(self) -> None:
        """
        Write until cancelled; a commit that has begun is finished.

        Raises:
            StorageError: The disk failed; the node must stop.
        """
        async for first in self._receiver:
            blocks = [first]
            while len(blocks) < BLOCKS_PER_COMMIT_MAX:
                try:
                    blocks.append(self._receiver.receive_nowait())
                except trio.WouldBlock:
                    break
            with self._duration.time():
                await trio.to_thread.run_sync(partial(self._write, blocks))
            self._bytes -= sum(map(_size, blocks))
            self._written.set()
            self._written = trio.Event()
            await self._stored(blocks)
            # Between commits, so that none waits for it.
            await trio.to_thread.run_sync(self._store.checkpoint)

    def _write(self, blocks: Sequence[CommittedBlock]) -> None:
        self._store.commit(commit_batch(blocks))


def _size(committed: CommittedBlock) -> int:
    return sum(len(batch.encoding) for batch in committed.batches)


def stored_height(blocks: Sequence[CommittedBlock]) -> Height:
    """The height of the last of these blocks."""
    return blocks[-1].block.header.height
