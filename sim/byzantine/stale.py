"""Stale: say again what was said long ago."""

from collections import deque

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.types.messages import Message
from sim.byzantine.base import Behaviour

REMEMBERED = 512
"""Messages of its own that it may repeat."""


class Stale(Behaviour):
    """With every message it sends, it repeats an old one to somebody."""

    def prepare(self) -> None:
        """Nothing was heard or said yet."""
        self._said: deque[Message] = deque(maxlen=REMEMBERED)

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Add old messages."""
        done = list(effects)
        for effect in effects:
            if isinstance(effect, Send):
                if self._said:
                    again = self.stream.choice(tuple(self._said))
                    done.append(Send((self.stream.choice(self.others),), again))
                self._said.append(effect.message)
        return done
