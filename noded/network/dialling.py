"""Reaching a member: its addresses one after the other, and pauses between attempts (N10)."""

import random
from collections.abc import Iterable

import trio

from noded.network.addresses import parse_address
from noded.network.faults import DialFailed
from noded.network.limits import BACKOFF_S_MAX, BACKOFF_S_MIN, DIAL_TIMEOUT_S


class Backoff:
    """Pauses that double up to BACKOFF_S_MAX, each shortened by lot so that dials of many nodes spread."""

    def __init__(self) -> None:
        self._pause_s = BACKOFF_S_MIN

    def next_s(self) -> float:
        """The next pause."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, BACKOFF_S_MAX)
        return pause_s * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with short pauses."""
        self._pause_s = BACKOFF_S_MIN


async def connect(addresses: Iterable[str]) -> tuple[trio.SocketStream, str, str]:
    """
    A TCP connection to the first of `addresses` that takes one, the IP address it leads to, and that address.

    Raises:
        DialFailed: None did; the message has a reason for each.
    """
    reasons = []
    for address in addresses:
        try:
            with trio.fail_after(DIAL_TIMEOUT_S):
                stream = await trio.open_tcp_stream(*parse_address(address))
                return stream, stream.socket.getpeername()[0], address
        except trio.TooSlowError:
            reasons.append(f"{address}: no answer in {DIAL_TIMEOUT_S} s")
        except (OSError, ValueError) as error:
            reasons.append(f"{address}: {error}")
    raise DialFailed("; ".join(reasons) or "no address is known")
