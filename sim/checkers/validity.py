"""Validity: what is final was submitted, took effect once, and led to the state that an independent ledger computes."""

from collections.abc import Callable, Sequence

from noded.ledger.base import MemoryBase
from noded.ledger.commit import CommittedBlock
from noded.ledger.genesis import found
from noded.ledger.ledger import Ledger
from noded.types import batch
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host


class Validity(Checker):
    """
    Executes every final block again, by itself and without any memory of what nodes computed.

    What a batch's bytes say, which depends on no state, is read once for all.
    """

    claim = (
        "Every final transaction was submitted by a client and applied at most once, and the state after each block is"
        " that of executing it again."
    )

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        founding = found(context.genesis)
        self._base = MemoryBase(founding)
        self._ledger = Ledger(context.genesis, self._base)
        self._applied: dict[bytes, int] = {}
        self._broken = False

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """Execute what is the first at its height."""
        if not host.is_correct:
            return
        for committed in blocks:
            if committed.block.header.height == self._ledger.final_height + 1 and not self._broken:
                self._execute(host, committed)

    def _execute(self, host: Host, committed: CommittedBlock) -> None:
        block = committed.block
        height = block.header.height
        if block.header.parent_hash != self._ledger.final_hash:
            self._broken = True  # Agreement is violated and says so; there is no one chain to execute.
            return
        if block.header.parent_state_root != self._ledger.state_root_after(block.header.parent_hash):
            self.fail(f"block {height} states another parent state than execution gives", (host.index,))
        self._ledger.execute(block, [batch.decode_batch(named.encoding) for named in committed.batches])
        again = self._ledger.commit(block)
        self._base.fold(again)
        self._ledger.folded(height)
        if again.state_root != committed.state_root or again.receipts != committed.receipts:
            self.fail(f"block {height} executed again gives another result", (host.index,))
        for entry in committed.entries:
            name = entry.hash.hex()[:16]
            if not self.context.is_submitted(entry.hash):
                self.fail(f"transaction {name} in block {height} was never submitted", (host.index,))
            if entry.applied:
                before = self._applied.get(entry.hash)
                if before is not None:
                    self.fail(
                        f"transaction {name} was applied in blocks {before} and {height}", (host.index,)
                    )
                self._applied[entry.hash] = height
