"""The members as the network knows them: allow-list, scores, counters (N1, N9)."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain

import trio

from noded.network.addresses import ip_of
from noded.network.faults import NotAMember, PeerBanned
from noded.network.interface import (
    INSTITUTION_ID_BYTES,
    NETWORK_KEY_BYTES,
    InstitutionId,
    Lane,
    LaneStatistics,
    PeerInfo,
    PeerStatistics,
)
from noded.network.scores import Score

_PEER_ID_HEAD = bytes.fromhex("002408011220")
"""Identity multihash of 36 bytes: a protobuf with key type Ed25519 and a key of 32 bytes."""


def peer_id_of(network_key: bytes) -> bytes:
    """The libp2p peer id of an Ed25519 public key."""
    assert len(network_key) == NETWORK_KEY_BYTES
    return _PEER_ID_HEAD + network_key


@dataclass(slots=True)
class LaneCounters:
    """Traffic with one member on one lane, over all connections."""

    bytes_in: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    messages_out: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatistics:
    """What a connection contributes to the statistics of its peer."""

    address: str
    dialled: bool
    since_s: float
    rtt_s: float | None
    queues: tuple[tuple[int, int], tuple[int, int]]
    """Messages and bytes waiting, by Lane."""


@dataclass(slots=True, kw_only=True)
class Member:
    """One member other than this node."""

    info: PeerInfo
    score: Score = field(default_factory=Score)
    counters: tuple[LaneCounters, LaneCounters] = field(
        default_factory=lambda: (LaneCounters(), LaneCounters())
    )
    last_fault: str | None = None
    last_fault_detail: str = ""
    seen_ip: str | None = None
    """The IP address of the last connection with it; its addresses may be names."""
    removed: bool = False
    """Whether it is on the allow-list no longer, at least not with this key."""
    poke: trio.Event = field(default_factory=trio.Event)
    """Set to end a pause between dials; the dialling task then puts a new one."""

    def statistics(self, link: LinkStatistics | None, now_s: float) -> PeerStatistics:
        """What `Network.peers` tells of this member; `link` is None while there is no connection."""
        queues = ((0, 0), (0, 0)) if link is None else link.queues
        consensus, bulk = (
            LaneStatistics(
                **asdict(self.counters[lane]), queue_messages=queues[lane][0], queue_bytes=queues[lane][1]
            )
            for lane in Lane
        )
        rtt_s = None if link is None else link.rtt_s
        return PeerStatistics(
            peer=self.info.peer,
            connected=link is not None,
            address=None if link is None else link.address,
            dialled=link is not None and link.dialled,
            connected_s=0.0 if link is None else now_s - link.since_s,
            rtt_ms=None if rtt_s is None else 1000 * rtt_s,
            score=self.score.value(now_s),
            banned_s=self.score.banned_s(now_s),
            last_fault=self.last_fault,
            last_fault_detail=self.last_fault_detail,
            lanes=(consensus, bulk),
        )


class Members:
    """The allow-list."""

    def __init__(self, me: InstitutionId) -> None:
        self._me = me
        self._by_peer: dict[InstitutionId, Member] = {}
        self._by_peer_id: dict[bytes, Member] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter([self._by_peer[peer] for peer in sorted(self._by_peer)])

    def __len__(self) -> int:
        return len(self._by_peer)

    def get(self, peer: InstitutionId) -> Member | None:
        """The member of that name."""
        return self._by_peer.get(peer)

    def ip_addresses(self) -> set[str]:
        """From where members may come, as far as is known."""
        named = (ip_of(address) for member in self._by_peer.values() for address in member.info.addresses)
        seen = (member.seen_ip for member in self._by_peer.values())
        return {ip for ip in chain(named, seen) if ip is not None}

    def admit(self, peer_id: bytes) -> InstitutionId:
        """
        Who proves this libp2p peer id.

        Raises:
            NotAMember: Nobody on the allow-list.
            PeerBanned: A member banned for now.
        """
        member = self._by_peer_id.get(peer_id)
        if member is None:
            raise NotAMember(f"peer id {peer_id.hex()}")
        if member.score.banned_s(trio.current_time()) > 0:
            raise PeerBanned(member.info.peer.hex())
        return member.info.peer

    def replace(self, infos: Sequence[PeerInfo]) -> tuple[list[Member], list[Member]]:
        """
        Make `infos` the allow-list, this node left out.

        Returns:
            Members that are new, and records of members that are gone; one whose key has changed is in both.
        """
        by_peer: dict[InstitutionId, Member] = {}
        new = []
        for info in infos:
            assert len(info.peer) == INSTITUTION_ID_BYTES
            if info.peer == self._me:
                continue
            member = self._by_peer.get(info.peer)
            if member is None or member.info.network_key != info.network_key:
                member = Member(info=info, score=Score() if member is None else member.score)
                new.append(member)
            elif member.info != info:
                member.info = info
                member.poke.set()
            by_peer[info.peer] = member
        gone = [member for member in self._by_peer.values() if by_peer.get(member.info.peer) is not member]
        for member in gone:
            member.removed = True
            member.poke.set()
        self._by_peer = by_peer
        self._by_peer_id = {peer_id_of(m.info.network_key): m for m in by_peer.values()}
        return new, gone
