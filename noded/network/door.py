"""Who may try to authenticate: bounds on connections that have not yet proved who they are (N8)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import trio

from noded.network.limits import (
    HANDSHAKES_PENDING_MAX,
    MEMBER_ADDRESS_BURST,
    MEMBER_ADDRESS_RATE_PER_S,
    STRANGER_BURST,
    STRANGER_RATE_PER_S,
    TokenBucket,
)


@dataclass(frozen=True, slots=True, eq=False)
class Visitor:
    """A connection that has not yet authenticated."""

    address: str
    """IP address."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    """Cancelled when the visitor has to make room for another."""


class Door:
    """
    Lets connections in at a bounded rate and in a bounded number.

    Addresses of members have rates of their own, so that strangers cannot use up theirs.

    When too many are pending, the oldest of the address with the most makes room, addresses of members last: who
    holds many connections half open loses his own first.
    """

    def __init__(self) -> None:
        self._members: dict[str, TokenBucket] = {}
        self._strangers = TokenBucket(rate=STRANGER_RATE_PER_S, burst=STRANGER_BURST)
        self._pending: dict[Visitor, None] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def set_members(self, addresses: Iterable[str]) -> None:
        """Name the IP addresses from which members come."""
        known = self._members
        self._members = {
            address: known.get(address)
            or TokenBucket(rate=MEMBER_ADDRESS_RATE_PER_S, burst=MEMBER_ADDRESS_BURST)
            for address in addresses
        }

    def enter(self, address: str, now_s: float) -> Visitor | None:
        """Let a connection in, at another's expense if need be; None if connections come too fast."""
        if not self._members.get(address, self._strangers).try_take(1, now_s):
            return None
        if len(self._pending) >= HANDSHAKES_PENDING_MAX:
            count = Counter(visitor.address for visitor in self._pending)
            evicted = max(self._pending, key=lambda v: (v.address not in self._members, count[v.address]))
            evicted.scope.cancel()
            del self._pending[evicted]
        visitor = Visitor(address)
        self._pending[visitor] = None
        return visitor

    def leave(self, visitor: Visitor) -> None:
        """The visitor has authenticated, or failed, or been evicted."""
        self._pending.pop(visitor, None)
