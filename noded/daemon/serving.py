"""Finalised blocks for peers who lack them, read from the store."""

from collections.abc import Callable, Sequence
from time import perf_counter

import trio

from noded.blocksync import RANGE_BYTES_MAX, range_bytes
from noded.node.effects import SendBlocks
from noded.ops.rows import header_of, proof_of, read_block
from noded.storage.store import Reader
from noded.types.block import TAIL_MAX, BlockHeader, BlockKind, FinalityProof
from noded.types.ids import Height, PeerId
from noded.types.messages import BLOCKS_MAX, BlockRange, SyncedBlock

PAUSE_FACTOR = 2
"""Pause after a range, in times of what it took: a request has 12 bytes and costs 5 ms, so peers get a third of a core."""


class Ranges:
    """Serves ranges beside the core, one after the other: of each peer the last that it asked for (S2)."""

    def __init__(self, reader: Reader, send: Callable[[Sequence[PeerId], BlockRange], None]) -> None:
        self._reader = reader
        self._send = send
        self._wanted: dict[PeerId, SendBlocks] = {}
        self._is_asked = trio.Event()

    def ask(self, wanted: SendBlocks) -> None:
        """Have a range sent; it takes the place of an earlier one for the same peer."""
        self._wanted[wanted.peer] = wanted
        self._is_asked.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._is_asked.wait()
            self._is_asked = trio.Event()
            while self._wanted:
                wanted = self._wanted.pop(next(iter(self._wanted)))
                began_s = perf_counter()
                self._send((wanted.peer,), read_range(self._reader, wanted.first, wanted.last))
                await trio.sleep(PAUSE_FACTOR * (perf_counter() - began_s))


def read_range(reader: Reader, first: Height, last: Height) -> BlockRange:
    """
    As many of these blocks as fit one message and belong to one epoch, with a proof of the last one.

    Empty if the first is not there, or none of them can be proven within `TAIL_MAX` headers.
    """
    blocks: list[SyncedBlock] = []
    size = 0
    height = int(first)
    while height <= last and len(blocks) < BLOCKS_MAX:
        block = read_block(reader, height)
        if block is None:
            break
        batches: list[bytes] = []
        for name in block.body.payload:
            stored = reader.batch(name)
            if stored is None:
                break
            batches.append(stored.data)
        if len(batches) < len(block.body.payload):
            break
        size += range_bytes(block, batches)
        if blocks and size > RANGE_BYTES_MAX:
            break
        blocks.append(SyncedBlock(block=block, batches=tuple(batches)))
        if block.header.kind is BlockKind.TERMINAL:
            break
        height += 1
    proof = _prove(reader, blocks[-1].block.header) if blocks else None
    if proof is None:
        return BlockRange(first=first, blocks=(), tail=(), finalization=None)
    return BlockRange(first=first, blocks=tuple(blocks), tail=proof.tail, finalization=proof.finalization)


def _prove(reader: Reader, header: BlockHeader) -> FinalityProof | None:
    """The nearest finalization at or above a block of the same epoch."""
    tail: list[BlockHeader] = []
    height = int(header.height)
    while True:
        stored = reader.block(height)
        if stored is None:
            return None
        above = header_of(stored)
        if above.epoch != header.epoch:
            return None
        if height > header.height:
            tail.append(above)
        proof = proof_of(stored)
        if proof is not None:
            return FinalityProof(tail=(*tail, *proof.tail), finalization=proof.finalization)
        if len(tail) == TAIL_MAX:
            return None
        height += 1
