"""Peace: correct nodes find no fault with each other."""

from sim.checkers.base import Checker
from sim.host import Host


class Peace(Checker):
    """No correct node is held to be at fault by another."""

    claim = "No correct node penalises another for breaking the protocol."

    def penalized(self, host: Host, culprit: int, reason: str) -> None:
        """Look at who blames whom."""
        if host.is_correct and self.context.hosts[culprit].is_correct:
            self.fail(f"{reason}: node {host.index} blames node {culprit}", (host.index, culprit))
