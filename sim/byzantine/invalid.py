"""Invalid: as proposer sign blocks that nobody may vote for, most of them evidence by their bytes and headers alone (R19)."""

from collections.abc import Callable
from dataclasses import replace

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.types.block import Block, BlockHeader, BlockKind
from noded.types.ids import Height, Root, TimestampMs, View
from noded.types.messages import Proposal
from sim.byzantine.base import Behaviour

ONE_IN = 2
"""Of the views that it leads; in the others it proposes as it should, so that its power lasts."""


class Invalid(Behaviour):
    """Follows the protocol but for what it proposes."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Bend its own proposals."""
        return [
            Send(effect.peers, self._bent(effect.message))
            if isinstance(effect, Send)
            and isinstance(effect.message, Proposal)
            and self.is_mine(effect.message)
            and self.stream.chance(1, ONE_IN)
            else effect
            for effect in effects
        ]

    def _bent(self, proposal: Proposal) -> Proposal:
        block = proposal.block
        header = self.stream.choice(BENT)(block.header)
        return self.sign(proposal, Block(header=header, body=block.body))


def _too_high(header: BlockHeader) -> BlockHeader:
    return replace(header, height=Height(header.height + 1))


def _unbound(header: BlockHeader) -> BlockHeader:
    """Its parent is said to be of the view before its own."""
    return replace(header, parent_view=View(header.view - 1))


def _of_another_table(header: BlockHeader) -> BlockHeader:
    return replace(header, epoch_root=Root(header.parent_hash))


def _out_of_place(header: BlockHeader) -> BlockHeader:
    """A SEAL that seals nothing, or what a SEAL stands in for."""
    kind = BlockKind.NORMAL if header.kind is BlockKind.SEAL else BlockKind.SEAL
    return replace(header, kind=kind, next_epoch_root=None)


def _of_the_past(header: BlockHeader) -> BlockHeader:
    """No evidence: clocks are not in the bytes."""
    return replace(header, time_ms=TimestampMs(0))


BENT: tuple[Callable[[BlockHeader], BlockHeader], ...] = (
    _too_high,
    _unbound,
    _of_another_table,
    _out_of_place,
    _of_the_past,
)
