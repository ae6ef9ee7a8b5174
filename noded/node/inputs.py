"""What can happen to a node."""

from dataclasses import dataclass
from typing import TypeAlias

from noded.consensus.inputs import PeerDown, PeerUp, Timer, TimerFired, TimerKind, Verified
from noded.types.ids import Height, PeerId
from noded.types.messages import Message


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A peer's message, decoded; that the peer sent it is certain, what it says is not."""

    peer: PeerId
    message: Message


@dataclass(frozen=True, slots=True)
class TransactionsSubmitted:
    """Clients of this node hand in encoded transactions; answered by Answer(token)."""

    token: int
    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
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
