"""
R11: fetching what this node lacks — blocks by hash, certificates by view — from members of a certificate's bitmap.

One of the members of any quorum is correct and has what it voted for.
"""

from dataclasses import dataclass

from noded.types.ids import BlockHash, PeerId, View
from noded.types.vote import Certificate, VoteKind

WANTS_MAX = 64
"""Blocks asked for at a time; each is named by a verified certificate or by a block that is."""

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

    __slots__ = ("answered", "checking", "gap", "gap_attempts", "timer_running", "wants")

    def __init__(self) -> None:
        self.wants: dict[BlockHash, Want] = {}
        self.answered: dict[BlockHash, None] = {}
        """Blocks that came lately: the other peer that was asked for them is not to blame."""
        self.gap: tuple[View, View] | None = None
        """Views whose certificates were asked for; None when nothing is under way."""
        self.gap_attempts = 0
        self.timer_running = False
        self.checking: dict[tuple[VoteKind, View], None] = {}
        """Certificates of peers being verified: one of a kind and view at a time."""

    def came(self, block_hash: BlockHash) -> bool:
        """Take a block off the list; False if nobody asked for it."""
        if self.wants.pop(block_hash, None) is None:
            return block_hash in self.answered
        if len(self.answered) >= WANTS_MAX:
            del self.answered[next(iter(self.answered))]
        self.answered[block_hash] = None
        return True

    def is_being_checked(self, certificate: Certificate) -> bool:
        """Whether another certificate that says the same is being verified."""
        return (certificate.kind, certificate.view) in self.checking

    def begin_check(self, certificate: Certificate) -> None:
        """A peer's certificate is being verified."""
        self.checking[certificate.kind, certificate.view] = None

    def end_check(self, certificate: Certificate) -> None:
        """The verdict is there."""
        self.checking.pop((certificate.kind, certificate.view), None)
