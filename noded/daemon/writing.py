"""Committed blocks on their way into the store: one writer thread, several blocks in one transaction if they wait."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio
from prometheus_client import Histogram

from noded.codec.schema import decode_value, encode_value
from noded.ledger.commit import CommittedBlock, Events, Receipts
from noded.ledger.head import table_key
from noded.ledger.state import VALUE_BYTES_MAX
from noded.storage.store import (
    CommitBatch,
    IndexRow,
    StateRow,
    Store,
    StoredBatch,
    StoredBlock,
    TransactionPlace,
)
from noded.types.block import BlockKind, FinalityProof
from noded.types.ids import Epoch, Height
from noded.types.messages import EpochEntry
from noded.types.validator_set import ValidatorTable

BLOCKS_WAITING_MAX = 256
"""Blocks between core and store; beyond them the core waits for the disk."""

BLOCKS_PER_COMMIT_MAX = 32


def commit_batch(blocks: Sequence[CommittedBlock]) -> CommitBatch:
    """What the store writes for consecutive blocks; of several changes of one key the last counts."""
    writes = {write.path: write for committed in blocks for write in committed.writes}
    roots = {bucket: root for committed in blocks for bucket, root in committed.bucket_roots}
    index = {write.key: write.value for committed in blocks for write in committed.index}
    return CommitBatch(
        blocks=[
            StoredBlock(
                height=committed.block.header.height,
                hash=committed.block.hash,
                header=encode_value(committed.block.header),
                body=encode_value(committed.block.body),
                receipts=encode_value(Receipts(committed.receipts)),
                events=encode_value(Events(committed.events)),
                certificate=_proof(committed),
            )
            for committed in blocks
        ],
        state_puts=[
            StateRow(write.path, write.leaf, write.key, write.value)
            for write in writes.values()
            if write.value is not None and write.leaf is not None
        ],
        state_deletes=[write.path for write in writes.values() if write.value is None],
        bucket_roots=sorted(roots.items()),
        index_puts=[IndexRow(key, value) for key, value in index.items() if value is not None],
        index_deletes=[key for key, value in index.items() if value is None],
        transactions=[
            TransactionPlace(entry.hash, committed.block.header.height, entry.position, entry.applied)
            for committed in blocks
            for entry in committed.entries
        ],
        batches=[
            StoredBatch(batch.hash, committed.block.header.height, batch.encoding)
            for committed in blocks
            for batch in committed.batches
        ],
        meta=[entry for committed in blocks for entry in _epoch_end(committed)],
    )


def epoch_meta_key(epoch: Epoch) -> str:
    """Under which name the store has the proof that an epoch ended."""
    return f"epoch/{epoch}"


def _proof(committed: CommittedBlock) -> bytes | None:
    if committed.finalization is None:
        return None
    return encode_value(FinalityProof(tail=committed.tail, finalization=committed.finalization))


def _epoch_end(committed: CommittedBlock) -> list[tuple[str, bytes]]:
    """The proof that an epoch ended, if this block ended one: what proofs of the state begin with."""
    header = committed.block.header
    if header.kind is not BlockKind.TERMINAL or committed.finalization is None:
        return []
    place = table_key(Epoch(header.epoch + 1))
    (table,) = (write.value for write in committed.writes if write.key == place and write.value is not None)
    entry = EpochEntry(
        terminal=header,
        seals=committed.tail,
        finalization=committed.finalization,
        table=decode_value(ValidatorTable, table, max_bytes=VALUE_BYTES_MAX),
    )
    return [(epoch_meta_key(header.epoch), encode_value(entry))]


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
        self._sender, self._receiver = trio.open_memory_channel[CommittedBlock](BLOCKS_WAITING_MAX)

    async def put(self, committed: CommittedBlock) -> None:
        """Hand in the next block; waits while too many are on their way."""
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
            await self._stored(blocks)
            # Between commits, so that none waits for it.
            await trio.to_thread.run_sync(self._store.checkpoint)

    def _write(self, blocks: Sequence[CommittedBlock]) -> None:
        self._store.commit(commit_batch(blocks))


def stored_height(blocks: Sequence[CommittedBlock]) -> Height:
    """The height of the last of these blocks."""
    return blocks[-1].block.header.height
