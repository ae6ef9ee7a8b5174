"""Bounded queues: no correct node drowns in inputs."""

from sim.checkers.base import Checker


class Queues(Checker):
    """Inputs do not pile up."""

    claim = "No correct node has more than the allowed number of inputs waiting."

    def tick(self) -> None:
        """Look at the longest queue that each node had."""
        most = self.context.scenario.check.queue_max
        for host in self.context.hosts:
            if host.is_correct and host.inbox_peak > most:
                self.fail(f"{host.inbox_peak} inputs were waiting", (host.index,))
                host.inbox_peak = 0
