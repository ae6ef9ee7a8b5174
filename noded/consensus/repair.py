"""
R11: fetching what this node lacks — blocks by hash, certificates by view — from members of a certificate's bitmap.

One of the members of any quorum is correct and has what it voted for.
"""

from dataclasses import dataclass

from noded.types.ids import BlockHash, PeerId, View
from noded.types.vote import Certificate, VoteKind

WANTS_MAX = 64
"""Blocks asked for at a time; each is named by a verified certificate or by a block that is."""

ASKED_MAX = 4 * WANTS_MAX
"""Blocks remembered as asked for; an answer that is later than so many others is no answer."""

ASKED_AT_ONCE = 2
"""Peers asked in one attempt: one may be faulty."""

ATTEMPTS_MAX = 6
"""Attempts after which a missing block is taken to be final and old elsewhere: block sync must find it."""


@dataclass(slots=True)
class Want:
    """A block that is asked for."""

    holders: tuple[PeerId, ...]
    """Who should have it, best first."""
    attempts: int = 0


class Repair:
    """What is being fetched."""

    __slots__ = (
        "asked",
        "checking",
        "gap",
        "gap_attempts",
        "gap_known",
        "has_page",
        "timer_running",
        "wants",
    )

    def __init__(self) -> None:
        self.wants: dict[BlockHash, Want] = {}
        self.asked: dict[BlockHash, None] = {}
        """Blocks asked for lately: whoever answers late is not to blame."""
        self.gap: tuple[View, View] | None = None
        """Views whose certificates were asked for; None when nothing is under way."""
        self.gap_known = 0
        """Certificates that were known when they were asked for."""
        self.has_page = False
        """Whether certificates arrived since they were asked for."""
        self.gap_attempts = 0
        self.timer_running = False
        self.checking: dict[tuple[VoteKind, View], None] = {}
        """Certificates of peers being verified: one of a kind and view at a time."""

    def want(self, block_hash: BlockHash, holders: tuple[PeerId, ...]) -> Want:
        """Put a block on the list."""
        if len(self.asked) >= ASKED_MAX:
            del self.asked[next(iter(self.asked))]
        self.asked[block_hash] = None
        want = self.wants[block_hash] = Want(holders)
        return want

    def is_being_checked(self, certificate: Certificate) -> bool:
        """Whether another certificate that says the same is being verified."""
        return (certificate.kind, certificate.view) in self.checking

    def begin_check(self, certificate: Certificate) -> None:
        """A peer's certificate is being verified."""
        self.checking[certificate.kind, certificate.view] = None

    def end_check(self, certificate: Certificate) -> None:
        """The verdict is there."""
        self.checking.pop((certificate.kind, certificate.view), None)

    def take_page(self, known: int) -> bool:
        """Whether all of the page that arrived was verified, so that the next one may be asked for; not if it said nothing new."""
        if not self.has_page or self.checking:
            return False
        self.has_page = False
        if known == self.gap_known:
            return False
        self.gap = None
        self.gap_attempts = 0
        return True
