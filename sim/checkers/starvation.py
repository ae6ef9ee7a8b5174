"""No starvation: what a correct gateway accepted is final within k blocks."""

from collections.abc import Callable, Sequence

from noded.ledger.commit import CommittedBlock
from noded.node.effects import Answer
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host


class Starvation(Checker):
    """Accepted transactions do not wait for ever."""

    claim = (
        "A transaction that a correct gateway accepted is in one of the next k blocks, not counting blocks during"
        " faults; unless the gateway crashed, which loses what it had not sealed."
    )
    kind = "liveness"

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        self._waiting: list[dict[bytes, int]] = [{} for _ in context.hosts]
        """By gateway: accepted transactions with the height at that time, in order."""
        self._excused = [0] * len(context.hosts)
        """Height up to which faults excuse a gateway."""

    def answered(self, host: Host, answer: Answer) -> None:
        """Transactions were accepted."""
        if host.is_correct:
            waiting = self._waiting[host.index]
            for submission in answer.submissions:
                if submission.refused is None:
                    waiting[submission.hash] = host.archive.height

    def is_content(self) -> bool:
        """Whether all that was accepted is final."""
        return not any(
            waiting
            for host, waiting in zip(self.context.hosts, self._waiting, strict=True)
            if host.is_correct
        )

    def crashed(self, host: Host) -> None:
        """What a crash loses is not owed."""
        self._waiting[host.index].clear()

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """Strike off what is final; look at who has waited longest."""
        waiting = self._waiting[host.index]
        if not waiting:
            return
        for committed in blocks:
            for entry in committed.entries:
                waiting.pop(entry.hash, None)
        height = blocks[-1].block.header.height
        if self.context.quiet_since() is None:
            self._excused[host.index] = height
        if not waiting:
            return
        oldest, accepted = next(iter(waiting.items()))
        waited = height - max(accepted, self._excused[host.index])
        if waited > self.context.scenario.check.starved_blocks:
            self.fail(f"transaction {oldest.hex()[:16]} waits for {waited} blocks", (host.index,))
            del waiting[oldest]
