"""Withhold: victims do not get proposals, batches, blocks or certificates from this node."""

from noded.node.effects import Effect, Send, SendBlocks
from noded.node.inputs import Input
from noded.types.messages import BatchPushed, BlockFound, Certificates, Proposal
from sim.byzantine.base import Behaviour, without

HELD_BACK = (Proposal, BatchPushed, BlockFound, Certificates)


class Withhold(Behaviour):
    """Serves all but its victims."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Leave the victims out."""
        done: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Send) and isinstance(effect.message, HELD_BACK):
                done += without(effect, self.victims)
            elif not (isinstance(effect, SendBlocks) and effect.peer in self.victims):
                done.append(effect)
        return done
