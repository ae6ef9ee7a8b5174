"""Every limit of the network, with its arithmetic, and the token bucket that enforces the rates (N8)."""

from dataclasses import dataclass

HANDSHAKE_TIMEOUT_S = 10.0
"""From accept or connect to an authenticated connection; long, so that 200 members who come at once, at 10 ms of
CPU each, all get through; `Door` keeps half-open connections from crowding others out meanwhile."""

HELLO_TIMEOUT_S = 10.0
"""From an authenticated connection to four open streams and two hellos; long for the same reason."""

HANDSHAKE_BYTES_MAX = 16 * 1024
"""What one side may send before it is authenticated; an honest handshake needs about 500 bytes."""

NEGOTIATION_READ_BYTES_MAX = 1024
"""Longest line of multistream-select; protocol names have about 20 bytes."""

HANDSHAKES_PENDING_MAX = 256
"""Connections not yet authenticated; more than there are members, and 256 of about 40 KiB are 10 MiB."""

STRANGER_RATE_PER_S = 40.0
"""Handshakes a second for all addresses together that no member has; 5 ms each are a fifth of a core."""

STRANGER_BURST = 100.0
"""Handshakes of strangers that may come at once."""

MEMBER_ADDRESS_RATE_PER_S = 40.0
"""Handshakes a second for one address that a member has; several members may share one."""

MEMBER_ADDRESS_BURST = 100.0
"""Handshakes from one member's address at once; a consortium restarting behind one address."""

STREAMS_PER_CONNECTION_MAX = 16
"""Streams a peer may open in a connection's life: 2 lanes, and a stock host's identify, ping and the like."""

WINDOW_BYTES = 1024 * 1024
"""Bytes a peer may send on a stream before we read them; 10 MB/s over 100 ms of round trip."""

UNREAD_BYTES_MAX = 2 * WINDOW_BYTES + 16 * 256 * 1024
"""Unread bytes in a connection: two lanes' windows, and the initial 256 KiB for each stream it may open."""

READ_BYTES = 64 * 1024
"""Bytes asked from socket and stream at a time."""

COALESCE_BYTES = 60_000
"""Frames written at once: with all heads they still fit one Noise record of 65,519 bytes."""

UNSENT_BYTES = 128 * 1024
"""What the kernel holds unsent for a connection, so that a vote waits behind two bulk writes at most."""

HEARTBEAT_INTERVAL_S = 2.0
"""Between two signs of life; one costs 0.4 ms of CPU, and none is sent when something else just was. For 199 peers
that is 4 % of a core."""

BEATS_PER_PING = 5
"""Every so many beats the peer is asked for an answer, to know the round-trip time."""

PING_BYTES = 8
"""Body of a heartbeat: a number that its answer repeats."""

FLOOD_POINTS_PER_S = 10.0
"""Points for each second that a peer's messages had to be held back; a flood that goes on bans within 15 s."""

FLOOD_S_MIN = 0.1
"""Shortest time held back that is noted; shorter ones add up."""

HELLO_COURTESY_S = 1.0
"""How long a peer whose hello is wrong is given to take ours, so that it too can name what is wrong."""

SILENCE_S_MAX = 7.0
"""Without a byte from the peer: three signs of life missed, and a second for a busy loop."""

STALL_S_MAX = (5.0, 30.0)
"""Without taking a byte of what is queued, by lane: votes are stale after 5 s, a busy disk may take 30 s."""

WINDOW_POLL_S = 0.01
"""Between two looks at a window that is closed."""

CONSENSUS_QUEUE_MESSAGES_MAX = 8192
"""Consensus messages for one peer; 40 views of a 200-validator chain."""

CONSENSUS_QUEUE_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of them; 8192 votes of about 200 bytes are 1.6 MB, the rest for certificates."""

BULK_QUEUE_MESSAGES_MAX = 8192
"""Bulk messages for one peer."""

BULK_QUEUE_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of them; eight frames of the largest size, or 20 s of 1,500 transactions a second."""

MEMORY_BYTES_MAX = 96 * 1024 * 1024
"""Queued and unread bytes of all connections together; half of what a node may use (200 MB)."""

REASON_CHARACTERS_MAX = 200
"""What is kept of an explanation, into which a peer's words may have come."""

REQUESTS_OUT_MAX = 16
"""Requests to one peer under way; others wait."""

REQUESTS_IN_MAX = 32
"""Requests of one peer being answered; further ones are refused. Twice what an honest peer asks."""

REFUSAL_BYTES_MAX = 200
"""Longest reason of a refusal that is sent or believed."""

DIAL_TIMEOUT_S = 5.0
"""Connecting a socket, name resolution included."""

DIALS_AT_ONCE = 4
"""Connections on their way from dialling to up at a time, as long as each takes no longer than DIAL_TURN_S."""

DIAL_TURN_S = 1.0
"""After which the next may be dialled: who accepts and says nothing takes ten seconds, and four such took all places."""

BACKOFF_S_MIN = 0.2
"""First pause after a failed dial; doubles up to BACKOFF_S_MAX, times 0.5…1 by lot."""

BACKOFF_S_MAX = 5.0
"""Longest pause between dials to one peer: how late a peer that comes back may be found."""

STAGGER_S_PER_MEMBER = 0.02
"""First dials are spread over this time for each member; 15 ms of CPU a connection."""

SECOND_DIAL_S = 1.0
"""How much later the higher id dials, so that the lower has its turn (N3), plus four times the stagger."""

SETTLED_S = 10.0
"""A connection that lived this long resets the back-off."""

SECOND_DIAL_DELAYS = 10
"""How often it first waits that long again while other connections are coming up: the lower may be among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What is read from one peer in a second; a peer that sends more is slowed down, then scored (N8)."""

    frames: float = 4_000.0
    """Frames of the multiplexer, each at most 64 KiB; honest peers coalesce, and send a few hundred."""
    consensus_messages: float = 2_000.0
    """At 200 validators a peer sends some ten messages a view, and on reconnecting some hundred at once."""
    consensus_bytes: float = 8 * 1024.0 * 1024.0
    bulk_messages: float = 20_000.0
    """Over ten times the transactions a second that a chain takes, if each came alone."""
    bulk_bytes: float = 64 * 1024.0 * 1024.0
    burst_s: float = 2.0
    """How many seconds' worth may come at once."""


class TokenBucket:
    """Meters a rate: `take` what was used, and wait for as long as it says."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated_s")

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._updated_s = 0.0

    def take(self, amount: float, now_s: float) -> float:
        """Take `amount`, into debt if need be; returns the seconds until the debt is paid."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._updated_s) * self._rate) - amount
        self._updated_s = now_s
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate

    def try_take(self, amount: float, now_s: float) -> bool:
        """Take `amount` if that much is there."""
        if self.take(amount, now_s) == 0.0:
            return True
        self._tokens += amount
        return False
