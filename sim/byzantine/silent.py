"""Silent: hears everything, says nothing."""

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from sim.byzantine.base import Behaviour


class Silent(Behaviour):
    """Sends no message at all."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Keep what others would see to itself."""
        return [effect for effect in effects if not isinstance(effect, Send)]
