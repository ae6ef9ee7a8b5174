"""Signs N for two blocks, F for two blocks, and both X and F, in every view; half of the others hear each."""

from noded.types.ids import BlockHash, ValidatorId
from noded.types.messages import Message, Votes
from noded.types.vote import Vote, VoteKind
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import make_vote


class DoubleVoter:
    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        if not isinstance(message, Votes) or not message.votes:
            return [(peers, message)]
        lies: list[Vote] = []
        for vote in message.votes:
            number, view, epoch = host.number, vote.view, vote.epoch
            if vote.kind is not VoteKind.NULLIFY:
                other = BlockHash(bytes(reversed(vote.block_hash or b"")))
                lies.append(make_vote(number, vote.kind, view=view, block=other, epoch=epoch))
            if vote.kind is VoteKind.FINALIZE:
                lies.append(make_vote(number, VoteKind.NULLIFY, view=view, epoch=epoch))
        return [
            (peers[::2], message),
            (peers[1::2], Votes(votes=tuple(lies[:32]), certificates=())),
            (peers[1::2], message),
            (peers[::2], Votes(votes=tuple(lies[:32]), certificates=())),
        ]
