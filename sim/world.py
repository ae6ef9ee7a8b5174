"""What all machines of a run share: the engine, the network, prices, verdicts, and who watches."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from noded.codec.errors import Malformed
from noded.node.inputs import MessageReceived
from noded.types.ids import PeerId
from noded.types.messages import BULK_MESSAGE_BYTES_MAX, MESSAGES, BatchPushed, Message, Proposal, Votes
from sim.engine import Engine
from sim.judge import Judge
from sim.models.cpu import Costs, Price
from sim.network import Indices, Network, Parcel
from sim.observer import Observers

if TYPE_CHECKING:
    from sim.host import Host

TARGETS_MAX = 4_096
"""Address lists remembered as indices."""

RECENT_MAX = 256
"""Encoded messages remembered, as one message is often sent to several peers in several sends."""


class World:
    """The surroundings of all hosts."""

    def __init__(
        self,
        *,
        engine: Engine,
        network: Network,
        costs: Costs,
        judge: Judge,
        names: Sequence[PeerId],
        wire: bool,
    ) -> None:
        self.engine = engine
        self.network = network
        self.costs = costs
        self.step_cost = costs.step.of(1)
        """Of any input that is no message."""
        self.sign_cost = costs.sign.of(1)
        self.judge = judge
        self.observers = Observers()
        self.hosts: list[Host] = []
        """The machines by node; of twins the first."""
        self.names = list(names)
        self.index_of = {name: index for index, name in enumerate(names)}
        self.meter = 0
        """Nanoseconds that the running step has cost so far, besides what its input and effects say."""
        self._wire = wire
        self._targets: dict[tuple[PeerId, ...], Indices] = {}
        self._recent: dict[int, Parcel] = {}
        self._prices: dict[type, Price] = {
            Votes: costs.votes,
            Proposal: costs.proposal,
            BatchPushed: costs.batch,
        }

    def sign_meter(self) -> None:
        """The running step made a signature."""
        self.meter += self.sign_cost

    def targets(self, peers: tuple[PeerId, ...]) -> Indices:
        """The indices of peers."""
        known = self._targets.get(peers)
        if known is None:
            if len(self._targets) >= TARGETS_MAX:
                self._targets.clear()
            known = self._targets[peers] = np.array([self.index_of[peer] for peer in peers], dtype=np.int64)
        return known

    def parcel(self, sender: int, message: Message) -> Parcel:
        """A message, ready to be sent once."""
        known = self._recent.get(id(message))
        if known is not None:
            return known.again(sender)
        parcel = self._make_parcel(sender, message)
        if len(self._recent) >= RECENT_MAX:
            del self._recent[next(iter(self._recent))]
        self._recent[id(message)] = parcel
        return parcel

    def _make_parcel(self, sender: int, message: Message) -> Parcel:
        encoding = MESSAGES.encode(message)
        size = len(encoding)
        digest = int.from_bytes(blake2b(encoding, digest_size=8).digest(), "big")
        parcel = Parcel(sender, message, size, digest, encoding if self._wire else None)
        costs = self.costs
        parcel.cost = self._prices.get(type(message), costs.message).of(size)
        parcel.send_cost, parcel.copy_cost = costs.send.of(size), costs.copy.of(size)
        return parcel

    def opened(self, parcel: Parcel) -> MessageReceived | None:
        """What a receiver's node gets of a parcel; None if its bytes are no message."""
        event = parcel.event
        if event is None:
            message = parcel.message
            if parcel.encoding is not None:
                try:
                    message = MESSAGES.decode(parcel.encoding, max_bytes=BULK_MESSAGE_BYTES_MAX)
                except Malformed:
                    return None
            assert message is not None
            event = MessageReceived(self.names[parcel.sender], message)
            if not self._wire:
                parcel.event = event
        return event


def garbage(sender: int, data: bytes) -> Parcel:
    """Bytes that are no message."""
    digest = int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
    return Parcel(sender, None, len(data), digest, data)
