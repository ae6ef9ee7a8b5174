"""
Proposes on top of blocks that it must not build on.

Two lies: an old block with the gap above it not nullified, and an old block with the view before one's own stated as
the parent's. Its F votes go to one victim, so that the others do not know what is final. Correct voters refuse both (R2); a core that did not would let finality fork.
"""

from dataclasses import replace

from noded.types.block import Block, BlockKind, justify_leaf, justify_root
from noded.types.ids import BlockHash, Height, TimestampMs, ValidatorId, View
from noded.types.messages import Message, Proposal, Votes
from noded.types.vote import Certificate, VoteKind
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import make_proposal, make_vote, state_root_after


class Liar:
    """Remembers blocks and their certificates, and goes back to them."""

    def __init__(self, *, states_view_before: bool) -> None:
        self._states_view_before = states_view_before
        self._seen: dict[BlockHash, tuple[Block, Certificate]] = {}
        self._lies: dict[BlockHash, BlockHash] = {}
        """By the hash of the block that a correct proposer would have shown."""

    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        self._learn(host)
        if isinstance(message, Votes):
            return self._vote(net, host, peers, message)
        if not isinstance(message, Proposal) or message.block.header.kind is not BlockKind.NORMAL:
            return [(peers, message)]
        lie = self._lie(message)
        if lie is None:
            return [(peers, message)]
        self._lies[message.block.hash] = lie.block.hash
        return [(peers, lie)]

    def _vote(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Votes
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        """Votes are for the lies; F votes go to one host only, so that it alone knows what is final."""
        victim = net.hosts[(host.number - 1) % len(net.by_name)].name
        votes = tuple(
            make_vote(
                host.number, vote.kind, view=vote.view, block=self._lies[vote.block_hash], epoch=vote.epoch
            )
            if vote.block_hash in self._lies
            else vote
            for vote in message.votes
        )
        message = replace(message, votes=votes)
        others = tuple(vote for vote in message.votes if vote.kind is not VoteKind.FINALIZE)
        return [
            ((victim,), message),
            (tuple(peer for peer in peers if peer != victim), replace(message, votes=others)),
        ]

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
            finalization=None,
        )
