"""R7, R10: who hears a vote first. Safety does not depend on it."""

from noded.types.ids import PeerId, ValidatorId, View
from noded.types.validator_set import ValidatorSet
from noded.types.vote import VoteKind

NULLIFY_PROPOSERS = 3
"""Proposers ahead that gather nullifications: two of them may be as dead as the present one."""

NEIGHBOURS = 8
"""Peers named as holders of a block's batches beside its proposer."""

SPREAD_VIEWS_MAX = 512
"""Views searched for that many distinct proposers; the others are taken in order of id."""


class Routes:
    """Targets of this node's messages in one epoch; never itself."""

    __slots__ = ("_me", "_validators", "is_linear", "neighbours", "others")

    def __init__(self, validators: ValidatorSet, me: ValidatorId, *, is_linear: bool) -> None:
        self._validators = validators
        self._me = me
        self.is_linear = is_linear
        self.others: tuple[PeerId, ...] = tuple(other for other in validators.ids() if other != me)
        """All other validators."""
        start = validators.index_by_id.get(me, 0)
        self.neighbours: tuple[PeerId, ...] = (self.others[start:] + self.others[:start])[:NEIGHBOURS]
        """Whom this node turns to for what many have; others begin elsewhere."""

    def notarize(self, view: View) -> tuple[PeerId, ...]:
        """Who gathers the N votes of a view, and F votes sent in it (R7)."""
        if not self.is_linear:
            return self.others
        me = self._me
        collectors = self._validators.collectors(view)
        if me in collectors:
            return tuple([peer for peer in collectors if peer != me])
        return collectors

    def nullify(self, view: View, doublings: int) -> tuple[PeerId, ...]:
        """Who gathers the X votes of a view: the next proposers, so many times twice as many (R10)."""
        if not self.is_linear:
            return self.others
        return self._spread(View(view + 1), NULLIFY_PROPOSERS << min(doublings, 16))

    def finalize_again(self, view: View, attempt: int) -> tuple[PeerId, ...]:
        """Who gets F votes again: collectors of the current view, doubling to all (R20)."""
        if not self.is_linear:
            return self.others
        return self._spread(view, 2 << min(attempt, 16))

    def relay_rank(self, kind: VoteKind, view: View) -> int:
        """Who waits longest before telling all of a certificate of this view: those after the first (R7)."""
        proposer = self._validators.proposer
        start = view + 1 if kind is VoteKind.NULLIFY else view
        for rank in range(NULLIFY_PROPOSERS):
            if proposer(View(start + rank)) == self._me:
                return rank
        return NULLIFY_PROPOSERS

    def _spread(self, start: View, count: int) -> tuple[PeerId, ...]:
        """The first `count` distinct proposers from a view on, filled up with others."""
        others = self.others
        if count >= len(others):
            return others
        proposer = self._validators.proposer
        found: dict[PeerId, None] = {}
        for view in range(start, start + min(SPREAD_VIEWS_MAX, 4 * count)):
            candidate = proposer(View(view))
            if candidate != self._me:
                found[candidate] = None
                if len(found) == count:
                    return tuple(found)
        offset = start % len(others)
        for candidate in others[offset:] + others[:offset]:
            found[candidate] = None
            if len(found) == count:
                break
        return tuple(found)
