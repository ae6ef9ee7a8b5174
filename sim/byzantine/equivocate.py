"""Equivocate: as proposer show one block to one half and another to the other, or both to all; vote for both."""

from dataclasses import replace

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.types.ids import TimestampMs
from noded.types.messages import Proposal, Votes
from noded.types.vote import Vote, VoteKind
from sim.byzantine.base import Behaviour, only

OPEN_ONE_IN = 4
"""In one of so many views that it leads everybody sees both blocks."""


class Equivocate(Behaviour):
    """Two blocks in every view that it leads; in such views each half hears votes for its own block only."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Split proposals, and votes for what was split."""
        done: list[Effect] = []
        for effect in effects:
            if (
                isinstance(effect, Send)
                and isinstance(effect.message, Proposal)
                and self.is_mine(effect.message)
            ):
                done += self._split_proposal(effect, effect.message)
            elif isinstance(effect, Send) and isinstance(effect.message, Votes):
                done += self._split_votes(effect, effect.message)
            else:
                done.append(effect)
        return done

    def _split_proposal(self, effect: Send, proposal: Proposal) -> list[Effect]:
        header = proposal.block.header
        rival = self.propose_instead(
            proposal, time_ms=TimestampMs(header.time_ms + 1), payload=proposal.block.body.payload
        )
        for block in (proposal.block, rival.block):
            self.conspiracy.add_rival(header.epoch, header.view, block.hash)
        if self.stream.chance(1, OPEN_ONE_IN):
            return [effect, Send(effect.peers, rival)]
        first, second = self.halves()
        return only(effect, first) + only(Send(effect.peers, rival), second)

    def _split_votes(self, effect: Send, votes: Votes) -> list[Effect]:
        if not any(map(self._is_split, votes.votes)):
            return [effect]
        first, second = self.halves()
        done: list[Effect] = []
        for side, peers in enumerate((first, second)):
            told = replace(
                votes, votes=tuple(self._for_side(vote, side) for vote in votes.votes), certificates=()
            )
            done += only(Send(effect.peers, told), peers)
        return done

    def _is_split(self, vote: Vote) -> bool:
        rivals = self.conspiracy.rivals.get((vote.epoch, vote.view), ())
        return vote.voter == self.host.name and vote.kind is not VoteKind.NULLIFY and len(rivals) > 1

    def _for_side(self, vote: Vote, side: int) -> Vote:
        """The vote as one half is to hear it."""
        if not self._is_split(vote):
            return vote
        block = self.conspiracy.rivals[vote.epoch, vote.view][side]
        return vote if vote.block_hash == block else self.vote(vote.kind, vote.epoch, vote.view, block)
