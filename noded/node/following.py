"""How far this node and its peers are: statuses, requests for blocks, and the look around after a start (A4)."""

from noded.blocksync import BEHIND_HEIGHTS, BlockSync, CheckedRange
from noded.consensus.core import ConsensusCore
from noded.node.chain import Chain
from noded.node.lookout import Lookout, height_reached
from noded.node.outbox import Outbox
from noded.node.settings import STATUS_INTERVAL_MS
from noded.types.ids import Height, InstitutionId, PeerId, TimestampMs
from noded.types.messages import BlockRange, ChainStatus
from noded.types.validator_set import ValidatorSet


class SyncDesk:
    """Tells peers how far this node is, hears how far they are, and asks for what it lacks (S2)."""

    def __init__(
        self, *, me: InstitutionId, core: ConsensusCore, chain: Chain, sync: BlockSync, outbox: Outbox
    ) -> None:
        self._me = me
        self._core = core
        self._chain = chain
        self._sync = sync
        self._outbox = outbox
        self._lookout: Lookout | None = Lookout()
        """None once this node knows how far the chain is."""
        self.looked_to: Height | None = None
        """How far this node was when it knew that; None until then (A4)."""
        self._told_ms: dict[PeerId, TimestampMs] = {}
        """When each peer that can be reached was last told how far this node is."""

    def is_syncing(self, validators: ValidatorSet) -> bool:
        """Whether blocks are being fetched that others have: more than f of the power, so that no liar is believed."""
        reached = height_reached(self._sync.heights, validators)
        return self._sync.is_asking and reached >= self._chain.height + BEHIND_HEIGHTS

    @property
    def is_looking(self) -> bool:
        """Whether this node does not know yet how far the chain is (A4)."""
        return self._lookout is not None

    def stop_looking(self) -> None:
        """This node knows enough."""
        self._lookout = None
        self.looked_to = self._chain.height

    def knows_enough(self, validators: ValidatorSet) -> bool:
        """A4: whether this node has all that it must have before it signs."""
        assert self._lookout is not None
        height = self._lookout.height(self._me, validators)
        return height is not None and self._chain.height >= height

    def peer_up(self, peer: PeerId, now_ms: TimestampMs) -> None:
        """A peer can be reached: tell it how far this node is."""
        self._tell([peer], now_ms)

    def peer_down(self, peer: PeerId) -> None:
        """A peer cannot be reached any more."""
        self._told_ms.pop(peer, None)
        self._sync.on_peer_down(peer)

    def on_status(
        self, peer: PeerId, status: ChainStatus, validators: ValidatorSet, now_ms: TimestampMs
    ) -> None:
        """A peer says how far it is; it is told the same, unless it was a moment ago."""
        self._sync.on_status(peer, status)
        if self._lookout is not None:
            self._lookout.on_status(peer, status.height, validators)
            if status.height > self._chain.height:
                self._sync.want(peer, self._chain.height)
        self.ask(now_ms)
        told_ms = self._told_ms.get(peer)
        if told_ms is not None and now_ms - told_ms >= STATUS_INTERVAL_MS // 2:
            self._tell([peer], now_ms)

    def on_timer(self, validators: ValidatorSet, now_ms: TimestampMs) -> None:
        """Ask again; tell whoever does not hear of this node by its votes, or still has to answer."""
        if self._chain.is_waiting():
            for peer in self._told_ms:
                self._sync.want(peer, self._chain.height)
        self.ask(now_ms)
        self._tell([peer for peer in self._told_ms if self.is_looking or peer not in validators], now_ms)

    def want(self, peer: PeerId, now_ms: TimestampMs) -> None:
        """A peer has blocks that this node lacks."""
        self._sync.want(peer, self._chain.height)
        self.ask(now_ms)

    def ask(self, now_ms: TimestampMs) -> None:
        """Ask for blocks, if anybody has what this node lacks and nobody is being asked."""
        request = self._sync.next_request(self._chain.height, now_ms)
        if request is not None:
            peer, message = request
            self._outbox.send((peer,), message)

    def on_range(self, peer: PeerId, message: BlockRange, validators: ValidatorSet) -> CheckedRange | None:
        """A range whose hashes fit; None where there is nothing to do with it. Raises `InvalidMessage`."""
        return self._sync.on_range(peer, message, self._chain.tip.header, validators)

    def distrust(self, peer: PeerId) -> None:
        """A peer's range was forged."""
        self._outbox.penalize(peer, self._sync.distrust(peer))

    def _tell(self, peers: list[PeerId], now_ms: TimestampMs) -> None:
        for peer in peers:
            self._told_ms[peer] = now_ms
        tip = self._chain.tip
        status = ChainStatus(
            epoch=self._core.epoch, view=self._core.view, height=tip.header.height, hash=tip.hash
        )
        self._outbox.send(peers, status)
