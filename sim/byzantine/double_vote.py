"""Double vote: beside every vote one that conflicts with it."""

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.types.ids import BlockHash
from noded.types.messages import Votes
from noded.types.vote import Vote, VoteKind
from sim.byzantine.base import Behaviour, only


class DoubleVote(Behaviour):
    """N for another block, X beside F and F beside X; each half of the network hears one of the two."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Let one half hear the votes and the other what conflicts with them."""
        done: list[Effect] = []
        for effect in effects:
            if not (isinstance(effect, Send) and isinstance(effect.message, Votes)):
                done.append(effect)
                continue
            first, second = self.halves()
            conflicting = tuple(
                self._against(vote) for vote in effect.message.votes if vote.voter == self.host.name
            )
            done += only(effect, first)
            if conflicting:
                done += only(Send(effect.peers, Votes(votes=conflicting, certificates=())), second)
        return done

    def _against(self, vote: Vote) -> Vote:
        if vote.kind is VoteKind.FINALIZE:
            return self.vote(VoteKind.NULLIFY, vote.epoch, vote.view, None)
        if vote.kind is VoteKind.NULLIFY:
            block = self._some_block(vote)
            return self.vote(VoteKind.FINALIZE, vote.epoch, vote.view, block)
        return self.vote(VoteKind.NOTARIZE, vote.epoch, vote.view, self._some_block(vote))

    def _some_block(self, vote: Vote) -> BlockHash:
        """A rival of the view if there is one, else a block that nobody has."""
        rivals = self.conspiracy.rivals.get((vote.epoch, vote.view), [])
        for rival in rivals:
            if rival != vote.block_hash:
                return rival
        return BlockHash(self.stream.bytes(32))
