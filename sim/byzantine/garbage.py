"""Garbage: bytes that are no message, and messages with a few bytes changed."""

from noded.codec.errors import Malformed
from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.types.messages import BULK_MESSAGE_BYTES_MAX, MESSAGES, Message
from sim.byzantine.base import Behaviour
from sim.world import garbage

NOISE_BYTES_MAX = 4_096


class Garbage(Behaviour):
    """Beside each message it sends one that is damaged, to one peer."""

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Add damage."""
        done = list(effects)
        for effect in effects:
            if isinstance(effect, Send):
                peer = self.stream.choice(self.others)
                damaged = self._damage(effect.message)
                if isinstance(damaged, bytes):
                    self.host.send((peer,), garbage(self.host.index, damaged))
                else:
                    done.append(Send((peer,), damaged))
        return done

    def _damage(self, message: Message) -> Message | bytes:
        """The message if it still is one, else its bytes."""
        if self.stream.chance(1, 8):
            return self.stream.bytes(1 + self.stream.below(NOISE_BYTES_MAX))
        data = bytearray(MESSAGES.encode(message))
        for _ in range(1 + self.stream.below(4)):
            data[self.stream.below(len(data))] ^= 1 << self.stream.below(8)
        try:
            return MESSAGES.decode(bytes(data), max_bytes=BULK_MESSAGE_BYTES_MAX)
        except Malformed:
            return bytes(data)
