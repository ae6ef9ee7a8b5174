"""Nullify only: refuse every block, so that only views end."""

from dataclasses import replace

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.types.messages import Votes
from noded.types.vote import Vote, VoteKind
from sim.byzantine.base import Behaviour


class NullifyOnly(Behaviour):
    """Votes X wherever a correct node would vote N or F, and proposes nothing."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Turn votes into nullifications."""
        done: list[Effect] = []
        for effect in effects:
            if not isinstance(effect, Send):
                done.append(effect)
            elif isinstance(effect.message, Votes):
                votes = tuple(map(self._nullify, effect.message.votes))
                done.append(Send(effect.peers, replace(effect.message, votes=votes)))
            elif not self.is_mine(effect.message):
                done.append(effect)
        return done

    def _nullify(self, vote: Vote) -> Vote:
        if vote.voter != self.host.name or vote.kind is VoteKind.NULLIFY:
            return vote
        return self.vote(VoteKind.NULLIFY, vote.epoch, vote.view, None)
