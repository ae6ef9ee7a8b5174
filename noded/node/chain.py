"""The finalised chain as this node executes it: blocks wait here until all their batches are at hand."""

from collections import deque
from collections.abc import Sequence

from noded.ledger.commit import CommittedBlock
from noded.ledger.ledger import Ledger
from noded.mempool.pool import BatchPool
from noded.types.batch import SealedBatch
from noded.types.block import Block, BlockHeader, BlockKind
from noded.types.frozen import frozen
from noded.types.ids import BatchHash, BlockHash, Height
from noded.types.vote import Certificate


class StateDiffers(Exception):
    """This node's state is not the one that a quorum finalised; it must not vote any more (A1)."""


@frozen()
class _Final:
    block: Block
    tail: tuple[BlockHeader, ...]
    finalization: Certificate | None


class Chain:
    """Executes blocks on top of each other and commits the final ones in order."""

    def __init__(self, ledger: Ledger, pool: BatchPool, tip: Block) -> None:
        self._ledger = ledger
        self._pool = pool
        self._tip = tip
        self._waiting: deque[_Final] = deque()

    @property
    def tip(self) -> Block:
        """The last block that was committed here."""
        return self._tip

    @property
    def height(self) -> Height:
        """Of the last block that was committed here."""
        return self._tip.header.height

    def is_waiting(self) -> bool:
        """Whether a final block lacks a batch."""
        return bool(self._waiting)

    def lacks_parent(self) -> bool:
        """
        Whether the first final block does not follow the tip, so that block sync must bring what is between.

        After a restart: what was synced is in no log, and may not have reached the store either.
        """
        return bool(self._waiting) and self._waiting[0].block.header.height > self.height + 1

    def missing(self) -> list[tuple[Block, list[BatchHash]]]:
        """The final blocks that lack batches, and which."""
        lacking = []
        for final in self._waiting:
            names = [name for name in final.block.body.payload if name not in self._pool]
            if names:
                lacking.append((final.block, names))
        return lacking

    def finalize(
        self, blocks: Sequence[Block], tail: tuple[BlockHeader, ...], finalization: Certificate
    ) -> None:
        """Consensus made these final, in order; the certificate is of the last or of the tail's end."""
        for block in blocks:
            if block.header.height <= self.height:
                continue
            last = block is blocks[-1]
            self._waiting.append(_Final(block, tail if last else (), finalization if last else None))

    def advance(self) -> list[CommittedBlock]:
        """
        Commit what is final and complete.

        Raises:
            StateDiffers: A final header states another state or table.
        """
        committed = []
        while self._waiting:
            final = self._waiting[0]
            if final.block.header.height <= self.height:
                self._waiting.popleft()
                continue
            batches = None if self.lacks_parent() else self.batches_of(final.block)
            if batches is None:
                break
            self._waiting.popleft()
            committed.append(self._commit(final, batches))
        return committed

    def append(
        self,
        blocks: Sequence[tuple[Block, tuple[SealedBatch, ...]]],
        tail: tuple[BlockHeader, ...],
        finalization: Certificate,
    ) -> list[CommittedBlock]:
        """
        Commit a range from block sync; blocks at or below the tip are passed over.

        Raises:
            StateDiffers: A final header states another state or table.
        """
        committed = []
        for block, batches in blocks:
            if block.header.height != self.height + 1 or block.header.parent_hash != self._tip.hash:
                continue
            last = block is blocks[-1][0]
            final = _Final(block, tail if last else (), finalization if last else None)
            self._pool.restore_ordered((batch.hash, batch.time_ms) for batch in batches)
            committed.append(self._commit(final, batches))
        return committed

    def batches_of(self, block: Block) -> tuple[SealedBatch, ...] | None:
        """All batches of a block, in its order; None if one is not held."""
        return self._pool.all_of(block.body.payload)

    def execute(self, block: Block) -> bool:
        """Execute a block whose parent is executed, unless that was done; False if a batch is missing."""
        header = block.header
        if (
            header.kind is BlockKind.SEAL
            or header.height <= self.height
            or self._ledger.is_executed(block.hash)
        ):
            return True
        batches = self.batches_of(block)
        if batches is None:
            return False
        self._ledger.execute(block, batches)
        return True

    def state_holder(self, parent: BlockHash, ancestors: Sequence[Block]) -> BlockHash:
        """The block whose state a child of `parent` commits to: SEALs leave the terminal block's state."""
        for ancestor in ancestors:
            if ancestor.header.kind is not BlockKind.SEAL:
                return ancestor.hash
        return parent if not ancestors else self._tip.hash

    def _commit(self, final: _Final, batches: tuple[SealedBatch, ...]) -> CommittedBlock:
        header = final.block.header
        assert header.parent_hash == self._tip.hash
        if header.parent_state_root != self._ledger.state_root_after(self._tip.hash):
            raise StateDiffers(f"state before block {header.height} is not what a quorum finalised")
        if not self._ledger.is_executed(final.block.hash):
            self._ledger.execute(final.block, batches)
        committed = self._ledger.commit(final.block, final.tail, final.finalization)
        self._tip = final.block
        if self.batches_of(final.block) is not None:
            self._pool.order(header.height, final.block.body.payload)
        return committed
