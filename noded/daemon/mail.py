"""Messages to and from peers: their encoding, their lane, and how many there were."""

from collections.abc import Sequence

import structlog
from prometheus_client import Counter

from noded.metrics import Metrics
from noded.network.interface import Lane, Network
from noded.types.ids import PeerId
from noded.types.messages import (
    BULK_MESSAGE_BYTES_MAX,
    CONSENSUS_MESSAGE_BYTES_MAX,
    MESSAGES,
    Message,
    is_bulk,
)

log = structlog.get_logger("noded.mail")


class Mail:
    """Encodes what is sent, decodes what is received."""

    def __init__(self, network: Network, metrics: Metrics) -> None:
        self._network = network
        self._metrics = metrics
        self._counters: dict[tuple[str, type], tuple[Counter, Counter]] = {}

    def read(self, payload: bytes) -> Message:
        """
        A message that came.

        Raises:
            Malformed: It is no message.
        """
        message = MESSAGES.decode(payload, max_bytes=BULK_MESSAGE_BYTES_MAX)
        self._count("in", message, len(payload), 1)
        return message

    def send(self, peers: Sequence[PeerId], message: Message) -> None:
        """Send a message by the lane that fits; one that no peer would take is a bug, which the log names."""
        payload = MESSAGES.encode(message)
        self._count("out", message, len(payload), len(peers))
        if len(payload) > BULK_MESSAGE_BYTES_MAX:
            log.error("a message is too large to be sent", message=type(message).__name__, size=len(payload))
            return
        bulk = is_bulk(message) or len(payload) > CONSENSUS_MESSAGE_BYTES_MAX
        self._network.broadcast(Lane.BULK if bulk else Lane.CONSENSUS, payload, peers)

    def _count(self, direction: str, message: Message, size: int, copies: int) -> None:
        key = (direction, type(message))
        counters = self._counters.get(key)
        if counters is None:
            kind = type(message).__name__
            counters = self._counters[key] = (
                self._metrics.messages.labels(direction, kind),
                self._metrics.message_bytes.labels(direction, kind),
            )
        counters[0].inc(copies)
        counters[1].inc(size * copies)
