"""What the rest of the node sees of the network: values, the handler it implements, errors."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import trio

from noded.errors import NodedError

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # libp2p brings outdated stubs of trio, which lack trio.TaskStatus

InstitutionId: TypeAlias = bytes
"""The name of a peer for everyone above the network; 16 bytes."""

INSTITUTION_ID_BYTES = 16
"""Length of an InstitutionId."""

NETWORK_KEY_BYTES = 32
"""Length of an Ed25519 public key and of the seed of a private one."""

CONSENSUS_PAYLOAD_BYTES_MAX = 64 * 1024 - 5
"""Largest message on the consensus lane: a frame of 64 KiB less 4 bytes of length and 1 of kind."""

BULK_PAYLOAD_BYTES_MAX = 1024 * 1024 - 10
"""Largest message, request or response on the bulk lane: a frame of 1 MiB less 10 bytes of a request's head."""


class Lane(enum.IntEnum):
    """One of the two long-lived streams in each direction (N4)."""

    CONSENSUS = 0
    """Votes, certificates, headers: small, urgent, never dropped while the peer is connected."""
    BULK = 1
    """Batches, bodies, requests: large, dropped when the peer is too slow."""

    @property
    def payload_bytes_max(self) -> int:
        """The largest payload `send` takes on this lane."""
        return CONSENSUS_PAYLOAD_BYTES_MAX if self is Lane.CONSENSUS else BULK_PAYLOAD_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerInfo:
    """A member of the consortium as the ledger's endpoint table names it."""

    peer: InstitutionId
    network_key: bytes
    """Ed25519 public key by which the peer proves who it is; 32 bytes."""
    addresses: tuple[str, ...]
    """``host:port`` each, ``[host]:port`` for IPv6; empty for a member that cannot be dialled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStatistics:
    """Traffic with one peer on one lane since the network started."""

    bytes_in: int
    bytes_out: int
    messages_in: int
    messages_out: int
    dropped: int
    """Messages that `send` refused because the queue was full."""
    queue_bytes: int
    queue_messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatistics:
    """What is known of one member, for status and metrics."""

    peer: InstitutionId
    connected: bool
    address: str | None
    """Remote ``host:port`` of the connection; None while there is none."""
    dialled: bool
    """Whether this node dialled the connection, rather than accepting it."""
    connected_s: float
    """Age of the connection; 0 while there is none."""
    rtt_ms: float | None
    """Smoothed time from a heartbeat to its answer; None before the first."""
    score: float
    """Penalty points left after decay; the peer is banned at `PENALTY_BAN`."""
    banned_s: float
    """Time for which the peer stays banned; 0 when it is not."""
    last_fault: str | None
    """Why the last connection ended or failed: the name of an error class."""
    last_fault_detail: str
    """The same in words, for the operator; may quote the peer."""
    lanes: tuple[LaneStatistics, LaneStatistics]
    """Indexed by Lane."""


class NetworkError(NodedError):
    """A request came to nothing."""


class PeerUnavailable(NetworkError):
    """The peer is not connected, or the connection ended before the answer."""


class RequestTimedOut(NetworkError):
    """No answer came in the time that the caller gave."""


class RequestRefused(NetworkError):
    """
    The peer answered that it will not serve the request.

    A handler raises it to refuse; the caller at the other end gets it with the same reason.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Handler(Protocol):
    """
    What the network calls; one object of the daemon implements it.

    Calls for one peer come as `on_peer_up`, messages and requests, `on_peer_down`. An `InvalidMessage`
    raised from a message or a request ends the connection and is scored; any other exception, save
    `RequestRefused` from a request, is a bug of ours and ends `Network.run`. A call is cancelled when its
    connection ends. It must not wait for the answer to a request of ours: the answer may be behind it.
    """

    async def on_peer_up(self, peer: InstitutionId) -> None:
        """Both lanes to and from the peer work from now on."""

    async def on_peer_down(self, peer: InstitutionId, reason: str) -> None:
        """
        The connection has ended; what was queued for the peer is lost.

        Args:
            peer: Who is gone.
            reason: The name of an error class, fit for a metric's label.
        """

    async def on_message(self, peer: InstitutionId, lane: Lane, payload: bytes) -> None:
        """Take one message; until this returns, no further message of that peer and lane is read."""

    async def on_request(self, peer: InstitutionId, kind: int, payload: bytes) -> bytes:
        """
        Answer a request; several of one peer may run at once.

        Raises:
            RequestRefused: Tell the peer why there is no answer.
        """


class Network(Protocol):
    """Direct connections to the other members; messages arrive whole, in order, or not at all."""

    def send(self, peer: InstitutionId, lane: Lane, payload: bytes) -> bool:
        """
        Queue a message without waiting.

        Returns:
            Whether it was queued. False: the peer is not connected, or its queue is full; a full
            consensus queue also ends the connection (N5).
        """

    def broadcast(self, lane: Lane, payload: bytes, peers: Iterable[InstitutionId]) -> list[InstitutionId]:
        """
        Send one message to several peers; cheaper than so many sends.

        Returns:
            The peers for whom it was not queued.
        """

    async def request(self, peer: InstitutionId, kind: int, payload: bytes, timeout_s: float) -> bytes:
        """
        Ask a peer on the bulk lane and wait for its answer.

        Args:
            peer: Whom to ask.
            kind: 0…255, passed to the peer's `on_request`.
            payload: The question.
            timeout_s: How long to wait for a place in the queue and for the answer together.

        Raises:
            PeerUnavailable: Not connected, or no longer.
            RequestTimedOut: No answer in time.
            RequestRefused: The peer's handler refused.
        """

    def penalize(self, peer: InstitutionId, reason: str, points: float) -> None:
        """
        Score a fault of a peer; points decay, and at `PENALTY_BAN` the peer is cut off for a while (N9).

        Args:
            peer: Who is at fault; an unknown one is ignored.
            reason: The name of an error class.
            points: `PENALTY_BAN` bans at once.
        """

    def set_members(self, members: Sequence[PeerInfo]) -> None:
        """
        Replace the allow-list: connect to new members, drop removed ones and those with another key.

        This node's own entry may be among them; it is used only to know whether others can dial this node.
        """

    def peers(self) -> list[PeerStatistics]:
        """All members but this node, by id."""

    def refusals(self) -> dict[str, int]:
        """How often connections were refused or failed, by name of the error class."""

    async def run(self, task_status: "TaskStatus[tuple[str, int]]" = trio.TASK_STATUS_IGNORED) -> None:
        """
        Listen and keep connections until cancelled; then everything is closed within a second.

        `task_status` is given the address on which the network listens.
        """
