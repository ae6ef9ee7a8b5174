"""Delay: victims hear this node late."""

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from sim.byzantine.base import Behaviour, only, without


class Delay(Behaviour):
    """Sends to its victims only after a while, in order."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Put off what goes to victims."""
        done: list[Effect] = []
        late: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Send):
                done += without(effect, self.victims)
                late += only(effect, self.victims)
            else:
                done.append(effect)
        if late:
            self.host.do_later(late, self.spec.by)
        return done
