"""Censor: never name a victim's batch."""

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.types.messages import Proposal
from sim.byzantine.base import Behaviour


class Censor(Behaviour):
    """Proposes blocks without the batches of its victims' gateways."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Propose something else where a victim's batch is named."""
        done: list[Effect] = []
        for effect in effects:
            if (
                isinstance(effect, Send)
                and isinstance(effect.message, Proposal)
                and self.is_mine(effect.message)
            ):
                done.append(Send(effect.peers, self._without_victims(effect.message)))
            else:
                done.append(effect)
        return done

    def _without_victims(self, proposal: Proposal) -> Proposal:
        pool = self.node.batches.pool
        kept = []
        for name in proposal.block.body.payload:
            held = pool.get(name)
            if held is None or held.sealed.author not in self.victims:
                kept.append(name)
        if len(kept) == len(proposal.block.body.payload):
            return proposal
        return self.propose_instead(proposal, time_ms=proposal.block.header.time_ms, payload=tuple(kept))
