"""What this node has signed in this epoch, and what it therefore may still sign (R1, R3, R4)."""

from noded.types.ids import View
from noded.types.messages import Proposal
from noded.types.vote import Vote, VoteKind

STICKY_VIEWS = 8
"""Views for which an F vote rides along with N votes (R7)."""


class Ballots:
    """
    Own votes by kind and view; the log is where they come from after a restart.

    Kept for views in which something may still be signed: a late N goes back LATE_VIEWS (R17).
    """

    __slots__ = ("credited_later", "finalized", "notarized", "nullified", "proposals")

    def __init__(self) -> None:
        self.notarized: dict[View, Vote] = {}
        self.nullified: dict[View, Vote] = {}
        self.finalized: dict[View, Vote] = {}
        self.proposals: dict[View, Proposal] = {}
        self.credited_later: dict[View, Vote] = {}
        """Votes that came after their certificate and were not credited yet, to go along with the next ones (R17)."""

    def may_notarize(self, view: View) -> bool:
        """R1: at most one N a view, and none after X."""
        return view not in self.notarized and view not in self.nullified

    def may_nullify(self, view: View) -> bool:
        """R3: not after F; once is enough."""
        return view not in self.finalized and view not in self.nullified

    def may_finalize(self, view: View) -> bool:
        """R3, R4: at most one F a view, and none after X."""
        return view not in self.finalized and view not in self.nullified

    def add(self, vote: Vote) -> None:
        """Note what was signed."""
        self._by_kind(vote.kind)[vote.view] = vote

    def _by_kind(self, kind: VoteKind) -> dict[View, Vote]:
        if kind is VoteKind.NOTARIZE:
            return self.notarized
        return self.nullified if kind is VoteKind.NULLIFY else self.finalized

    def pending(self, final_view: View) -> list[Vote]:
        """F votes above the last final view, at most the latest STICKY_VIEWS of them, oldest first (R20)."""
        views = sorted(view for view in self.finalized if view > final_view)
        return [self.finalized[view] for view in views[-STICKY_VIEWS:]]

    def riding(self, view: View, final_view: View) -> list[Vote]:
        """F votes that ride on an N vote of this view, oldest first (R7)."""
        finalized = self.finalized
        start = max(final_view + 1, view - STICKY_VIEWS)
        return [finalized[View(at)] for at in range(start, view) if at in finalized]

    def late(self, view: View, window: int) -> list[Vote]:
        """Uncredited late votes that a block of the next view may still credit, oldest first (R17)."""
        later = self.credited_later
        for old in [at for at in later if at <= view - window]:
            del later[old]
        return [later[at] for at in sorted(later)]

    def latest(self, view: View) -> list[Vote]:
        """What was signed in a view: for a peer that may have missed it (R20)."""
        return [votes[view] for votes in (self.notarized, self.nullified, self.finalized) if view in votes]

    def prune(self, below: View) -> None:
        """Forget views in which nothing will be signed any more."""
        for votes in (self.notarized, self.nullified, self.finalized):
            for view in [view for view in votes if view < below]:
                del votes[view]
        for view in [view for view in self.proposals if view < below]:
            del self.proposals[view]
