"""
Why a connection ends or is refused.

The class name is the reason everywhere: in `Handler.on_peer_down`, in statistics, in `Network.refusals`.
"""

from typing import ClassVar

from noded.errors import InvalidMessage, NodedError

PENALTY_BAN = 100.0
"""Points at which a peer is banned (N9)."""


class LinkEnded(NodedError):
    """A connection ended, or came to nothing, without a fault that deserves points."""


class ConnectionLost(LinkEnded):
    """The socket or the multiplexer closed under the connection."""


class DialFailed(LinkEnded):
    """None of the peer's addresses took the connection."""


class HandshakeFailed(LinkEnded):
    """Negotiation or Noise did not succeed, by garbage, a wrong protocol or a wrong key."""


class HandshakeTimedOut(LinkEnded):
    """The connection was not secured in time."""


class TooManyHandshakes(LinkEnded):
    """Connections came faster than N8 allows, or made room for others while half open."""


class NotAMember(LinkEnded):
    """The peer proved a key that is not on the allow-list (N1)."""


class PeerBanned(LinkEnded):
    """The peer's score has reached `PENALTY_BAN` (N9)."""


class MemberRemoved(LinkEnded):
    """The peer is no member any longer, or has another key."""


class DuplicateConnection(LinkEnded):
    """Another connection with this peer is the right one (N3)."""


class WrongChain(LinkEnded):
    """The peer belongs to another chain; the operator of one of the two has to act (N2)."""


class WrongProtocolVersion(LinkEnded):
    """The peer speaks another version of the protocol (N2)."""


class PeerSilent(LinkEnded):
    """Not a byte came from the peer for longer than N6 allows."""


class PeerStalled(LinkEnded):
    """The peer has not taken what is sent to it for longer than N6 allows."""


class ConsensusQueueFull(LinkEnded):
    """The peer is too slow for consensus messages, which are never dropped (N5)."""


class MemoryPressure(LinkEnded):
    """All connections together hold too much, and this one the most (N8)."""


class PeerFault(InvalidMessage):
    """The peer broke the protocol of the network itself; scored with `points`."""

    points: ClassVar[float] = 0.6 * PENALTY_BAN
    """Two within half a minute ban."""


class OversizeFrame(PeerFault):
    """A frame is empty or announces more than its lane allows (N4)."""


class UnexpectedFrame(PeerFault):
    """A frame of this kind may not come here, or its body is cut short."""


class WrongHello(PeerFault):
    """The first frame is no hello, or one for another lane or other peers (N2)."""


class UnexpectedStream(PeerFault):
    """The peer opened a lane twice, or too many streams (N8)."""


class WindowExceeded(PeerFault):
    """The peer sent more than the multiplexer's window allowed it (N8)."""


class FrameFlood(PeerFault):
    """The peer sends more than N8 allows, and is slowed down; scored by how much."""

    points = 0.0
