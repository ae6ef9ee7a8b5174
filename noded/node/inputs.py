"""What can happen to a node."""

from typing import TypeAlias

from noded.consensus.inputs import PeerDown, PeerUp, Timer, TimerFired, TimerKind, Verified
from noded.types.frozen import frozen
from noded.types.ids import Height, PeerId
from noded.types.messages import Message


@frozen()
class MessageReceived:
    """A peer's message, decoded; that the peer sent it is certain, what it says is not."""

    peer: PeerId
    message: Message


@frozen()
class TransactionsSubmitted:
    """Clients of this node hand in encoded transactions; answered by Answer(token)."""

    token: int
    transactions: tuple[bytes, ...]


@frozen()
class Committed:
    """The store holds all blocks up to this height durably."""

    height: Height


Input: TypeAlias = (
    MessageReceived | TimerFired | Verified | TransactionsSubmitted | Committed | PeerUp | PeerDown
)

__all__ = [
    "Committed",
    "Input",
    "MessageReceived",
    "PeerDown",
    "PeerUp",
    "Timer",
    "TimerFired",
    "TimerKind",
    "TransactionsSubmitted",
    "Verified",
]
