"""Finality is monotonic: a node finalises each height once in a life, and never goes back below what it stored."""

from collections.abc import Callable, Sequence

from noded.ledger.commit import CommittedBlock
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host


class Monotony(Checker):
    """Heights go up by one."""

    claim = "The heights that a node finalises go up one by one, from what it had stored when it started."

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        self._heights = [0] * len(context.hosts)

    def started(self, host: Host) -> None:
        """What was not durable may be finalised again."""
        self._heights[host.index] = host.archive.height

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """Look at the heights."""
        if not host.is_correct:
            return
        for committed in blocks:
            height = committed.block.header.height
            before = self._heights[host.index]
            if height != before + 1:
                self.fail(f"height {height} after {before}", (host.index,))
            self._heights[host.index] = height
