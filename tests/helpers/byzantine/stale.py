"""Repeats what it said long ago, again and again."""

from collections import deque

from noded.types.ids import ValidatorId
from noded.types.messages import Message
from tests.helpers.consensus_net import Host, Net


class Stale:
    def __init__(self) -> None:
        self._said: deque[Message] = deque(maxlen=50)

    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        self._said.append(message)
        return [(peers, message), *((peers, net.random.choice(self._said)) for _ in range(3))]
