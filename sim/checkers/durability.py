"""Durability: what was durable before a restart is there after it."""

from collections.abc import Callable

from noded.ledger.commit import CommittedBlock
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host


class Durability(Checker):
    """Stored blocks survive."""

    claim = "A started node stands at or above the last block it had stored, with the same blocks below."

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        self._stored: list[dict[int, bytes]] = [{} for _ in context.hosts]

    def stored(self, host: Host, committed: CommittedBlock) -> None:
        """A block is durable."""
        self._stored[host.index][committed.block.header.height] = committed.block.hash

    def crashed(self, host: Host) -> None:
        """A lost disk keeps nothing."""
        if host.is_wiped:
            self._stored[host.index].clear()

    def started(self, host: Host) -> None:
        """Look for what was stored."""
        stored = self._stored[host.index]
        if not host.is_correct or not stored:
            return
        last = max(stored)
        if host.node.chain.height < last:
            self.fail(f"height {last} was stored, the node starts at {host.node.chain.height}", (host.index,))
        for height, block in stored.items():
            if height <= host.archive.height and host.archive.block(height).block.hash != block:
                self.fail(f"block {height} is another than was stored", (host.index,))
