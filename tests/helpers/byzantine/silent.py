"""Says nothing at all."""

from noded.types.ids import ValidatorId
from noded.types.messages import Message
from tests.helpers.consensus_net import Host, Net


class Silent:
    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        return []
