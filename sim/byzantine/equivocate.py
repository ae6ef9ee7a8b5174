"""Equivocate: as proposer show one block to one half and another to the other; with fellows, vote for both."""

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.types.ids import TimestampMs
from noded.types.messages import Proposal, Votes
from noded.types.vote import VoteKind
from sim.byzantine.base import Behaviour, only


class Equivocate(Behaviour):
    """Two blocks in every view that it leads, and votes for every block that a fellow proposed twice."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Split proposals; add votes for the rivals."""
        done: list[Effect] = []
        for effect in effects:
            if (
                isinstance(effect, Send)
                and isinstance(effect.message, Proposal)
                and self.is_mine(effect.message)
            ):
                done += self._split(effect, effect.message)
            elif isinstance(effect, Send) and isinstance(effect.message, Votes):
                done += [effect, *self._vote_for_rivals(effect, effect.message)]
            else:
                done.append(effect)
        return done

    def _split(self, effect: Send, proposal: Proposal) -> list[Effect]:
        header = proposal.block.header
        rival = self.propose_instead(
            proposal, time_ms=TimestampMs(header.time_ms + 1), payload=proposal.block.body.payload
        )
        for block in (proposal.block, rival.block):
            self.conspiracy.add_rival(header.epoch, header.view, block.hash)
        first, second = self.halves()
        return only(effect, first) + only(Send(effect.peers, rival), second)

    def _vote_for_rivals(self, effect: Send, votes: Votes) -> list[Effect]:
        done: list[Effect] = []
        _, second = self.halves()
        for vote in votes.votes:
            if vote.voter != self.host.name or vote.kind is VoteKind.NULLIFY:
                continue
            for rival in self.conspiracy.rivals.get((vote.epoch, vote.view), ()):
                if rival != vote.block_hash:
                    other = self.vote(vote.kind, vote.epoch, vote.view, rival)
                    done += only(Send(self.others, Votes(votes=(other,), certificates=())), second)
        return done
