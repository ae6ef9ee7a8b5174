"""Counting votes: claimed power first, verified when it claims a quorum (R14)."""

from noded.types.ids import Bitmap, BlockHash, Epoch, View
from noded.types.vote import Certificate, Vote, VoteKind


class Tally:
    """The votes of one kind for one choice in one view, one for each voter."""

    __slots__ = ("block_hash", "is_checking", "kind", "power", "verified", "view", "votes")

    def __init__(self, kind: VoteKind, view: View, block_hash: BlockHash | None) -> None:
        self.kind = kind
        self.view = view
        self.block_hash = block_hash
        self.votes: dict[int, Vote] = {}
        """By the voter's index."""
        self.power = 0
        """Claimed: of all `votes`."""
        self.verified = 0
        """Bit i: the signature of voter i is good."""
        self.is_checking = False
        """Whether a quorum was claimed: its signatures are being judged, or were found good."""

    def add(self, index: int, vote: Vote, power: int) -> None:
        """Count a vote; the voter has none here yet."""
        assert index not in self.votes
        self.votes[index] = vote
        self.power += power

    def remove(self, index: int, power: int) -> None:
        """Take back a vote that was not signed."""
        del self.votes[index]
        self.power -= power
        assert self.power >= 0

    def unverified(self) -> list[int]:
        """The voters whose signatures have not been judged, in order."""
        verified = self.verified
        return [index for index in sorted(self.votes) if not verified >> index & 1]

    def certificate(self, epoch: Epoch, size: int) -> Certificate:
        """The certificate that these votes make if all are good; `size` is the number of validators."""
        indices = sorted(self.votes)
        mask = 0
        for index in indices:
            mask |= 1 << index
        votes = self.votes
        return Certificate(
            kind=self.kind,
            epoch=epoch,
            view=self.view,
            block_hash=self.block_hash,
            bitmap=Bitmap(mask.to_bytes((size + 7) // 8, "little")),
            signatures=tuple([votes[index].signature for index in indices]),
        )


class ViewVotes:
    """All votes of one view: of each voter one of each kind, and the tallies that they make."""

    __slots__ = ("first", "tallies")

    def __init__(self) -> None:
        self.first: tuple[dict[int, Vote], ...] = ({}, {}, {}, {})
        """By kind, then by the voter's index; a second vote that conflicts is evidence and not kept."""
        self.tallies: tuple[dict[BlockHash | None, Tally], ...] = ({}, {}, {}, {})
        """By kind, then by choice; no more choices than voters."""

    def tally(self, kind: VoteKind, view: View, block_hash: BlockHash | None) -> Tally:
        """The tally for a choice, empty if there was none."""
        tallies = self.tallies[kind]
        found = tallies.get(block_hash)
        if found is None:
            found = tallies[block_hash] = Tally(kind, view, block_hash)
        return found


def bitmap_mask(bitmap: Bitmap) -> int:
    """The bitmap as an integer: bit i is validator i."""
    return int.from_bytes(bitmap, "little")
