"""Which link there is with each member; scores and counts what goes wrong (N3, N7, N9)."""

from collections import Counter

import trio

from noded.errors import InvalidMessage, NodedError
from noded.network.faults import ConnectionLost, DuplicateConnection, FrameFlood, PeerBanned, PeerFault
from noded.network.interface import InstitutionId
from noded.network.limits import FLOOD_POINTS_PER_S, REASON_CHARACTERS_MAX
from noded.network.link import Link
from noded.network.members import Members


class Links:
    """The connections of a node; at most one with each member is up, and one more is coming up."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._opening: dict[InstitutionId, Link] = {}
        self.up: dict[InstitutionId, Link] = {}
        """Links that work; messages go only over these."""
        self.refusals: Counter[str] = Counter()

    @property
    def opening(self) -> int:
        """How many links are coming up."""
        return len(self._opening)

    def get(self, peer: InstitutionId) -> Link | None:
        """The link with a peer that is up or, failing that, coming up."""
        return self.up.get(peer) or self._opening.get(peer)

    def end(self, peer: InstitutionId, reason: NodedError) -> None:
        """End all links with a peer."""
        for links in (self.up, self._opening):
            if peer in links:
                links[peer].end(reason)

    def note(self, peer: InstitutionId | None, reason: NodedError) -> None:
        """Count why a connection ended or failed, and score the peer if it was at fault."""
        name = type(reason).__name__
        self.refusals[name] += 1
        member = None if peer is None else self._members.get(peer)
        if member is not None and peer is not None:
            if isinstance(reason, InvalidMessage):
                points = reason.points if isinstance(reason, PeerFault) else PeerFault.points
                self.penalize(peer, name, points)
            member.last_fault, member.last_fault_detail = name, str(reason)[:REASON_CHARACTERS_MAX]

    def note_flood(self, peer: InstitutionId, held_s: float) -> None:
        """Score a peer that had to be slowed down for so many seconds (N8)."""
        self.refusals[FrameFlood.__name__] += 1
        self.penalize(peer, FrameFlood.__name__, FLOOD_POINTS_PER_S * held_s)

    def penalize(self, peer: InstitutionId, reason: str, points: float) -> None:
        """Add points, and cut the peer off if that bans it (N9)."""
        member = self._members.get(peer)
        if member is None:
            return
        member.last_fault, member.last_fault_detail = reason, ""
        if member.score.add(points, trio.current_time()):
            self.end(peer, PeerBanned(reason))

    async def serve(self, link: Link) -> None:
        """Run a link to its end, and tell the handler."""
        opening = self._opening.get(link.peer)
        if opening is not None:
            if self._is_right(opening) and not self._is_right(link):
                self.note(link.peer, DuplicateConnection("a better one is opening"))
                link.discard()
                return
            opening.end(DuplicateConnection("a better or newer one is opening"))
        self._opening[link.peer] = link
        try:
            await link.run(self._bring_up)
        except Exception as error:
            link.end(ConnectionLost(repr(error)))
        finally:
            for links in (self.up, self._opening):
                if links.get(link.peer) is link:
                    del links[link.peer]
        assert link.reason is not None
        self.note(link.peer, link.reason)
        if link.announced:
            name = type(link.reason).__name__
            await link.terms.handled(link.terms.handler.on_peer_down(link.peer, name))
        link.gone.set()

    async def _bring_up(self, link: Link) -> None:
        """Make a link the one with its peer, unless there is a better one."""
        while (current := self.up.get(link.peer)) is not None:
            if self._is_right(current) and not self._is_right(link):
                raise DuplicateConnection("there is a better one")
            current.end(DuplicateConnection("there is a better or newer one"))
            await current.gone.wait()
        self.up[link.peer] = link
        if self._opening.get(link.peer) is link:
            del self._opening[link.peer]
        await link.terms.handled(link.terms.handler.on_peer_up(link.peer))
        link.announced = True

    @staticmethod
    def _is_right(link: Link) -> bool:
        """Whether the lower id has dialled it (N3)."""
        return link.dialled == (link.terms.me < link.peer)
