"""Frame: give up the victims' views at once, so that these seem unable to propose."""

from noded.node.effects import Effect, Send
from noded.node.inputs import Input, MessageReceived
from noded.types.ids import TimestampMs
from noded.types.messages import Proposal, Votes
from noded.types.vote import VoteKind
from sim.byzantine.base import Behaviour


class Frame(Behaviour):
    """Answers a victim's block with votes to skip its view, takes no part in it, and tells nobody of it."""

    def step(self, event: Input, now_ms: TimestampMs) -> list[Effect]:
        """Do not hear a victim's proposal, but tell everybody that none came."""
        if isinstance(event, MessageReceived) and isinstance(event.message, Proposal):
            header = event.message.block.header
            is_active = self.host.world.engine.now >= self.spec.at and not self.conspiracy.is_silent
            if is_active and header.proposer in self.victims:
                vote = self.vote(VoteKind.NULLIFY, header.epoch, header.view, None)
                return [Send(self.others, Votes(votes=(vote,), certificates=()))]
        return super().step(event, now_ms)
