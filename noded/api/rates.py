"""How many requests a client may send: a token bucket for each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

CLIENTS_MAX: Final = 4096
"""Clients whose rate is remembered; the one seen longest ago is forgotten first. 4096 take about 1 MB."""


@dataclass(slots=True)
class _Bucket:
    level: float
    time: float


class Rates:
    """The rates of all clients."""

    def __init__(self, *, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self.per_s = per_s
        self.burst = burst
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, client: str) -> float:
        """
        Count a request.

        Returns:
            0 if it may be served; else seconds after which the next one may be.
        """
        now = self._clock()
        bucket = self._buckets.pop(client, None)
        if bucket is None:
            bucket = _Bucket(self.burst, now)
            if len(self._buckets) >= CLIENTS_MAX:
                del self._buckets[next(iter(self._buckets))]
        self._buckets[client] = bucket
        bucket.level = min(self.burst, bucket.level + (now - bucket.time) * self.per_s)
        bucket.time = now
        if bucket.level < 1:
            return (1 - bucket.level) / self.per_s
        bucket.level -= 1
        return 0.0
