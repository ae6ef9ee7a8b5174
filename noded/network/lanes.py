"""One lane of a link in both directions, and what has gone over it."""

import trio

from noded.network.frames import FrameCutter
from noded.network.interface import Lane
from noded.network.limits import (
    BULK_QUEUE_BYTES_MAX,
    BULK_QUEUE_MESSAGES_MAX,
    CONSENSUS_QUEUE_BYTES_MAX,
    CONSENSUS_QUEUE_MESSAGES_MAX,
    Rates,
    TokenBucket,
)
from noded.network.members import LaneCounters
from noded.network.queues import SendQueue
from noded.network.upgrade import InStream, OutStream


class LaneState:
    """One lane in both directions."""

    def __init__(self, lane: Lane, rates: Rates, counters: LaneCounters) -> None:
        consensus = lane is Lane.CONSENSUS
        self.queue = SendQueue(
            messages_max=CONSENSUS_QUEUE_MESSAGES_MAX if consensus else BULK_QUEUE_MESSAGES_MAX,
            bytes_max=CONSENSUS_QUEUE_BYTES_MAX if consensus else BULK_QUEUE_BYTES_MAX,
        )
        messages = rates.consensus_messages if consensus else rates.bulk_messages
        size = rates.consensus_bytes if consensus else rates.bulk_bytes
        self.messages = TokenBucket(rate=messages, burst=messages * rates.burst_s)
        self.bytes = TokenBucket(rate=size, burst=size * rates.burst_s)
        self.cutter = FrameCutter(lane)
        self.counters = counters
        self.out: OutStream | None = None
        """The stream this node has opened."""
        self.inbound: InStream | None = None
        """The stream the peer has opened."""
        self.said = trio.Event()
        """Our hello is sent."""
        self.heard = trio.Event()
        """The peer's hello has come, and is right."""
