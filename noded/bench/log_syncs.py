"""How long nodes wait for their logs to be durable, as they say themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from noded.client.async_http import AsyncNodeClient

METRIC: Final = "noded_log_sync_seconds"


@dataclass(frozen=True, slots=True)
class LogSyncs:
    """All writes of the logs since the nodes began."""

    count: float
    seconds: float

    def mean_ms_since(self, before: "LogSyncs") -> float:
        """Milliseconds of one write since then; 0 if there was none."""
        count = self.count - before.count
        return 1000 * (self.seconds - before.seconds) / count if count else 0.0


async def read_log_syncs(clients: Sequence[AsyncNodeClient]) -> LogSyncs:
    """
    Ask all nodes for their metrics.

    Raises:
        Refused, NodeUnreachable: A node does not answer.
    """
    totals = {f"{METRIC}_count": 0.0, f"{METRIC}_sum": 0.0}
    for client in clients:
        async for line in client.lines("/metrics", {}):
            name, _, value = line.decode().partition(" ")
            if name in totals:
                totals[name] += float(value)
    return LogSyncs(*totals.values())
