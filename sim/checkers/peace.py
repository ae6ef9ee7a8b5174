"""Peace: correct nodes find no fault with each other."""

from sim.checkers.base import Checker
from sim.host import Host
from sim.scenario.faults import Duplicate


class Peace(Checker):
    """No correct node is held to be at fault by another."""

    claim = (
        "No correct node penalises another for breaking the protocol, unless the network copies the other's messages,"
        " which an authenticated stream never does."
    )

    def penalized(self, host: Host, culprit: int, reason: str) -> None:
        """Look at who blames whom."""
        if host.is_correct and self.context.hosts[culprit].is_correct and not self._is_copied(culprit):
            self.fail(f"{reason}: node {host.index} blames node {culprit}", (host.index, culprit))

    def _is_copied(self, node: int) -> bool:
        """Whether a message of this node may have come twice."""
        now = self.context.world.engine.now
        delta = self.context.scenario.time.delta
        return any(
            isinstance(fault, Duplicate)
            and isinstance(fault.nodes, list)
            and node in fault.nodes
            and fault.at <= now <= fault.at + fault.span + fault.by + delta
            for fault in self.context.scenario.fault
        )
