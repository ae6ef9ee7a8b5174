"""
Proposes on top of blocks that it must not build on.

Two lies: an old block with the gap above it not nullified, and an old block with the view before one's own stated as
the parent's. Correct voters refuse both (R2); a core that did not would let finality fork.
"""

from dataclasses import replace

from noded.types.block import Block, BlockKind, justify_leaf, justify_root
from noded.types.ids import BlockHash, Height, TimestampMs, ValidatorId, View
from noded.types.messages import Message, Proposal
from noded.types.vote import Certificate
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import make_proposal, state_root_after


class Liar:
    """Remembers blocks and their certificates, and goes back to them."""

    def __init__(self, *, states_view_before: bool) -> None:
        self._states_view_before = states_view_before
        self._seen: dict[BlockHash, tuple[Block, Certificate]] = {}
        self._blocks: dict[BlockHash, Block] = {}

    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        self._learn(host)
        if not isinstance(message, Proposal) or message.block.header.kind is not BlockKind.NORMAL:
            return [(peers, message)]
        lie = self._lie(message)
        return [(peers, message if lie is None else lie)]

    def _learn(self, host: Host) -> None:
        state = host.core._state
        for entry in state.tree.entries.values():
            certificate = state.certificates.of_block(entry.view, entry.hash)
            if certificate is not None:
                self._seen[entry.hash] = (entry.block, certificate)

    def _lie(self, proposal: Proposal) -> Proposal | None:
        block = proposal.block
        header = block.header
        honest_parent = header.parent_view
        lower = [
            (old, certificate)
            for old, certificate in self._seen.values()
            if old.header.epoch == header.epoch
            and old.header.view < honest_parent
            and old.header.kind is BlockKind.NORMAL
        ]
        if not lower:
            return None
        old, certificate = max(lower, key=lambda pair: pair[0].header.view)
        nullifications = proposal.nullifications
        stated = old.header.view
        if self._states_view_before:
            stated = View(header.view - 1)
            nullifications = ()
        elif not nullifications:
            return None
        body = replace(
            block.body,
            parent=justify_leaf(certificate),
            skipped=tuple(justify_leaf(skipped) for skipped in nullifications),
            credits=(),
        )
        lie = Block(
            header=replace(
                header,
                parent_hash=old.hash,
                parent_view=stated,
                height=Height(old.header.height + 1),
                parent_state_root=state_root_after(old.hash),
                justify_root=justify_root(body),
                time_ms=TimestampMs(max(header.time_ms, old.header.time_ms + 1)),
            ),
            body=body,
        )
        return make_proposal(
            lie,
            parent=certificate,
            nullifications=nullifications,
            finalization=proposal.finalization,
        )
