"""Health: no node raises, and no correct node halts."""

from traceback import format_exception

from sim.checkers.base import Checker
from sim.host import Host


class Health(Checker):
    """Nodes neither crash by themselves nor stop voting."""

    claim = "No node raises an exception, whatever it is sent, and no correct node stops voting."
    kind = "crash"

    def failed(self, host: Host, error: Exception) -> None:
        """A node raised."""
        self.fail("".join(format_exception(error)).strip(), (host.index,))

    def halted(self, host: Host, reason: str) -> None:
        """A node stopped voting."""
        if host.is_correct:
            self.fail(f"halted: {reason}", (host.index,))
