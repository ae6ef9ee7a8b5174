"""Gives up every view at once and never helps one along."""

from noded.types.ids import ValidatorId
from noded.types.messages import Message, Proposal, Votes
from noded.types.vote import Vote, VoteKind
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import make_vote


class NullifyOnly:
    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        if isinstance(message, Proposal):
            return []
        if not isinstance(message, Votes):
            return [(peers, message)]
        votes: list[Vote] = [
            make_vote(host.number, VoteKind.NULLIFY, view=vote.view, epoch=vote.epoch)
            for vote in message.votes
            if vote.kind is VoteKind.NOTARIZE
        ]
        everybody = tuple(name for name in net.by_name if name != host.name)
        return [(everybody, Votes(votes=tuple(votes), certificates=message.certificates))]
