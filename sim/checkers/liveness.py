"""Liveness: when nothing stands in the way the chain grows, and after healing everybody comes along."""

from collections.abc import Callable, Sequence

from noded.ledger.commit import CommittedBlock
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host


class Liveness(Checker):
    """The chain grows within k views."""

    claim = (
        "After gst, while no fault is under way and a quorum of correct power is up, a block becomes final within k"
        " timeouts; after healing every correct node finalises something new."
    )
    kind = "liveness"

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        scenario = context.scenario
        self._patience_ns = (
            scenario.check.live_views * context.base_timeout_ns + scenario.protocol.idle_interval
        )
        self._height = 0
        self._since = 0
        """When the chain last grew, or could not."""
        self._healed_at: list[int] | None = None
        self._is_stalled = False

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """The chain may have grown."""
        if host.is_correct and blocks[-1].block.header.height > self._height:
            self._height = blocks[-1].block.header.height
            self._since = self.context.world.engine.now
            self._is_stalled = False

    def tick(self) -> None:
        """Look for how long the chain has not grown."""
        now = self.context.world.engine.now
        quiet = self.context.quiet_since()
        if quiet is None or now < self.context.scenario.time.gst or not self._has_quorum():
            self._since = now
            return
        waiting = now - max(self._since, quiet, self.context.scenario.time.gst)
        if waiting > self._patience_ns and not self._is_stalled:
            self._is_stalled = True
            self.fail(f"no block after {self._height} for {waiting / 1e9:.1f} s")

    def healed(self) -> None:
        """From now on nothing stands in the way any more."""
        self._healed_at = [host.archive.height for host in self.context.hosts]
        self._since = self.context.world.engine.now

    def is_content(self) -> bool:
        """Whether everybody has come along."""
        return not self._behind()

    def finish(self) -> None:
        """After healing, everybody must have come along."""
        for host, most in self._behind():
            self.fail(f"stands at {host.archive.height} after healing at {most}", (host.index,))

    def _behind(self) -> list[tuple[Host, int]]:
        if self._healed_at is None:
            return []
        most = max(self._healed_at)
        return [
            (host, most) for host in self.context.hosts if host.is_correct and host.archive.height <= most
        ]

    def _has_quorum(self) -> bool:
        up = [host for host in self.context.hosts if host.is_correct and host.is_up]
        if not up:
            return False
        validators = max((host.node.validators for host in up), key=lambda each: each.epoch)
        return validators.is_quorum(sum(validators.power(host.name) for host in up if not host.is_log_lost))
