"""Proposes two blocks in each of its views, each to some of the others, and votes for both or for one."""

from dataclasses import replace

from noded.types.block import Block, payload_root
from noded.types.ids import BatchHash, ValidatorId
from noded.types.messages import Message, Proposal, Votes
from noded.types.vote import Vote, VoteKind
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import make_proposal, make_vote


def rival_of(block: Block) -> Block:
    """Another valid block for the same view."""
    body = replace(block.body, payload=(BatchHash(b"\x77" * 32),))
    return Block(header=replace(block.header, payload_root=payload_root(body.payload)), body=body)


class Equivocator:
    def __init__(self, *, votes_for_both: bool = True, rival_to: int | None = None) -> None:
        self._votes_for_both = votes_for_both
        self._rival_to = rival_to
        """How many are shown the rival; None for half of them."""
        self._rivals: dict[bytes, Block] = {}

    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        if isinstance(message, Proposal):
            return self._propose(net, peers, message)
        if isinstance(message, Votes) and self._votes_for_both:
            return [(peers, message), (peers, self._also(host, message))]
        return [(peers, message)]

    def _propose(
        self, net: Net, peers: tuple[ValidatorId, ...], proposal: Proposal
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        rival = rival_of(proposal.block)
        self._rivals[proposal.block.hash] = rival
        other = make_proposal(
            rival,
            parent=proposal.parent,
            nullifications=proposal.nullifications,
            finalization=proposal.finalization,
        )
        shuffled = list(peers)
        net.random.shuffle(shuffled)
        some = len(shuffled) - len(shuffled) // 2 if self._rival_to is None else self._rival_to
        return [(tuple(shuffled[:-some]), proposal), (tuple(shuffled[-some:]), other)]

    def _also(self, host: Host, message: Votes) -> Votes:
        also: list[Vote] = []
        for vote in message.votes:
            rival = self._rivals.get(vote.block_hash or b"")
            if rival is not None and vote.kind is not VoteKind.NULLIFY:
                also.append(make_vote(host.number, vote.kind, view=vote.view, block=rival, epoch=vote.epoch))
        return Votes(votes=tuple(also), certificates=())
