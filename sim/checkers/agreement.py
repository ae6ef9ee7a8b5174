"""Agreement: correct nodes finalise the same block and the same state at each height."""

from collections.abc import Callable, Sequence

from noded.ledger.commit import CommittedBlock
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host


class Agreement(Checker):
    """One block a height, one state a block."""

    claim = "No two correct nodes finalise different blocks, or different states, at one height."

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        self._first: dict[int, tuple[bytes, bytes, int]] = {}

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """Compare with what the first node said."""
        if not host.is_correct:
            return
        for committed in blocks:
            height = committed.block.header.height
            said = committed.block.hash, committed.state_root, host.index
            block, root, first = self._first.setdefault(height, said)
            if block != committed.block.hash:
                here, there = committed.block.hash.hex()[:16], block.hex()[:16]
                self.fail(f"height {height}: block {here} and block {there}", (first, host.index))
            elif root != committed.state_root:
                self.fail(f"height {height}: two states after one block", (first, host.index))
