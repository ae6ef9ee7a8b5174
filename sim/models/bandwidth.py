"""
What a link carries: a store-and-forward queue for each node's uplink and downlink, in constant time a message.

The consensus lane goes first: its messages wait only for their like, while bulk messages wait for all.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sim.units import UNLIMITED

FRAME_BYTES = 60
"""Added to each message: length prefix, Noise tag, Yamux, TCP and IP headers of a coalesced frame."""

LANES = 2
CONSENSUS, BULK = range(LANES)


class Bandwidth:
    """The links of all nodes; `busy` times are when a lane has sent all that was given to it."""

    def __init__(self, count: int, *, up_bits: int, down_bits: int) -> None:
        self._up_bits, self._down_bits = up_bits, down_bits
        self._up_busy = [[0] * count for _ in range(LANES)]
        self.receive: Callable[[int, int, int, int], int] = partial(
            _pass, [[0] * count for _ in range(LANES)]
        )
        """
        When the last bit of a message that reaches a node's access link now has come through it.

        By node, lane, the nanoseconds that it occupies the link, and now.
        """

    def send(self, node: int, lane: int, size: int, now: int) -> int:
        """When the last bit of a message has left the node."""
        if self._up_bits == UNLIMITED:
            return now
        return _pass(self._up_busy, node, lane, _duration(size, self._up_bits), now)

    def send_copies(self, node: int, lane: int, size: int, copies: int, now: int) -> NDArray[np.int64]:
        """When the last bit of each of the copies, sent one after another, has left the node."""
        if self._up_bits == UNLIMITED:
            return np.full(copies, now, dtype=np.int64)
        each = _duration(size, self._up_bits)
        last = _pass(self._up_busy, node, lane, each * copies, now)
        return np.arange(last - each * (copies - 1), last + 1, each, dtype=np.int64)

    def downlink_ns(self, size: int) -> int:
        """Nanoseconds that a message occupies its receiver's downlink."""
        return 0 if self._down_bits == UNLIMITED else _duration(size, self._down_bits)


def _duration(size: int, bits: int) -> int:
    """Nanoseconds that a message occupies a link; at least one, so that times stay in order."""
    return max(1, (size + FRAME_BYTES) * 8_000_000_000 // bits)


def _pass(busy: list[list[int]], node: int, lane: int, duration: int, now: int) -> int:
    queue = busy[lane]
    since = queue[node]
    queue[node] = done = (now if now > since else since) + duration
    if lane == CONSENSUS:  # What goes first holds up what comes after.
        queue = busy[BULK]
        since = queue[node]
        queue[node] = (now if now > since else since) + duration
    return done
