"""Oscillate: correct for a while, silent for a while, to keep a reputation that it does not deserve."""

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from sim.byzantine.base import Behaviour


class Oscillate(Behaviour):
    """Half of each period it is silent."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Be silent in the second half of a period."""
        time = self.host.world.engine.now - self.spec.at
        if 2 * (time % self.spec.period) < self.spec.period:
            return effects
        return [effect for effect in effects if not isinstance(effect, Send)]
