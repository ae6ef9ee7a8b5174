"""Prefix consistency: what a correct node finalises is one chain from genesis."""

from collections.abc import Callable, Sequence

from noded.ledger.commit import CommittedBlock
from noded.types.ids import Height
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host


class Prefix(Checker):
    """Each block stands on the one before."""

    claim = "Every block that a correct node finalises has as parent the block that it finalised before."

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        genesis = context.hosts[0].archive.block(Height(0)).block.hash
        self._chains: list[dict[int, bytes]] = [{0: genesis} for _ in context.hosts]

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """Look at the parent of each block."""
        if not host.is_correct:
            return
        chain = self._chains[host.index]
        for committed in blocks:
            header = committed.block.header
            if chain.get(header.height - 1) != header.parent_hash:
                self.fail(f"block {header.height} stands on another block than this node's", (host.index,))
            chain[header.height] = committed.block.hash
