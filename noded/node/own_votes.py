"""A3: votes under this node's key that are none of its own."""

from collections.abc import Iterable

from noded.types.block import Block, JustifyLeaf
from noded.types.ids import BlockHash, Epoch, View
from noded.types.records import Record, VoteRecord
from noded.types.vote import Vote, VoteKind


class OwnVotes:
    """
    What this process signed, to be compared with the votes that final blocks show under its key.

    Above the highest place in the log that it began with, all that its key signed is known here. What final blocks
    have passed is forgotten.
    """

    __slots__ = ("_began", "_votes", "is_watching")

    def __init__(self) -> None:
        self.is_watching = True
        self._began = (Epoch(0), View(0))
        self._votes: dict[tuple[Epoch, View, VoteKind], BlockHash | None] = {}

    def restore(self, records: Iterable[Record]) -> None:
        """Begin with what the log says."""
        for record in records:
            if isinstance(record, VoteRecord):
                vote = record.vote
                self._began = max(self._began, (vote.epoch, vote.view))

    def sign(self, vote: Vote) -> None:
        """Note a vote that this process has made."""
        self._votes[vote.epoch, vote.view, vote.kind] = vote.block_hash

    def foreign_in(self, block: Block, index: int) -> JustifyLeaf | None:
        """
        A certificate in a final block with a vote of the validator at `index` that this process did not make.

        Blocks come in order of height; votes of views that this one has passed are forgotten.
        """
        header, body = block.header, block.body
        leaves = body.skipped if body.parent is None else (body.parent, *body.skipped)
        found = next((leaf for leaf in leaves if self._is_foreign(header.epoch, leaf, index)), None)
        place = (header.epoch, header.view)
        for key in [key for key in self._votes if key[:2] < place]:
            del self._votes[key]
        return found if self.is_watching else None

    def _is_foreign(self, epoch: Epoch, leaf: JustifyLeaf, index: int) -> bool:
        if (epoch, leaf.view) <= self._began or not leaf.bitmap[index >> 3] >> (index & 7) & 1:
            return False
        key = (epoch, leaf.view, leaf.kind)
        return key not in self._votes or self._votes[key] != leaf.block_hash
