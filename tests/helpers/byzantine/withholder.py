"""Shows its proposals to no more than a quorum needs, keeps certificates to itself and answers no requests."""

from noded.types.ids import ValidatorId
from noded.types.messages import BlockFound, Certificates, Message, Proposal
from tests.helpers.consensus_net import Host, Net


class Withholder:
    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        if isinstance(message, BlockFound | Certificates):
            return []
        if isinstance(message, Proposal):
            shuffled = list(peers)
            net.random.shuffle(shuffled)
            needed = 2 * len(net.by_name) // 3
            return [(tuple(shuffled[:needed]), message)]
        return [(peers, message)]
