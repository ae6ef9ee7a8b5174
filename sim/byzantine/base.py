"""What byzantine nodes have in common: a real node, their own key, and each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from noded.node.node import Node
from noded.types.block import Block, payload_root
from noded.types.evidence import proposal_signing_bytes
from noded.types.ids import BatchHash, BlockHash, Epoch, PeerId, TimestampMs, View
from noded.types.messages import Message, Proposal
from noded.types.vote import Vote, VoteKind, vote_signing_bytes
from sim.host import Host
from sim.judge import SimSigner
from sim.scenario.model import Byzantine
from sim.streams import Stream

RIVALS_MAX = 1_024
"""Views whose rival blocks a coalition remembers."""


@dataclass(slots=True)
class Conspiracy:
    """What the byzantine nodes of a run share."""

    members: frozenset[int]
    rivals: dict[tuple[Epoch, View], list[BlockHash]] = field(default_factory=dict)
    """Blocks that one of them proposed side by side, by view."""
    is_silent: bool = False
    """Whether they have given up: everything heals."""

    def add_rival(self, epoch: Epoch, view: View, block: BlockHash) -> None:
        """One more block in a view."""
        blocks = self.rivals.setdefault((epoch, view), [])
        if block not in blocks:
            blocks.append(block)
        while len(self.rivals) > RIVALS_MAX:
            del self.rivals[next(iter(self.rivals))]


class Behaviour:
    """
    A byzantine node: what a real one hears and does, bent.

    Subclasses override `hears` and `does`. This one follows the protocol.
    """

    def __init__(
        self,
        host: Host,
        node: Node,
        *,
        spec: Byzantine,
        victims: Sequence[int],
        conspiracy: Conspiracy,
        signer: SimSigner,
        stream: Stream,
    ) -> None:
        node.share_key()
        self.host = host
        self.node = node
        self.spec = spec
        self.conspiracy = conspiracy
        self.signer = signer
        self.stream = stream
        names = host.world.names
        self.victims: tuple[PeerId, ...] = tuple(names[victim] for victim in victims)
        self.others: tuple[PeerId, ...] = tuple(name for name in names if name != host.name)
        self.chain_id = node.ledger.chain_id
        self.prepare()

    def prepare(self) -> None:
        """Set up what a behaviour remembers."""

    def step(self, event: Input, now_ms: TimestampMs) -> list[Effect]:
        """Step the real node, and bend what it says."""
        if self.conspiracy.is_silent:
            return [effect for effect in self.node.step(event, now_ms) if not isinstance(effect, Send)]
        if self.host.world.engine.now < self.spec.at:
            return self.node.step(event, now_ms)
        if not self.hears(event):
            return []
        return self.does(event, self.node.step(event, now_ms))

    def hears(self, event: Input) -> bool:
        """Whether the node gets this input at all."""
        return True

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """What is done instead of what the node wants."""
        return effects

    # Tools

    def vote(self, kind: VoteKind, epoch: Epoch, view: View, block: BlockHash | None) -> Vote:
        """A vote of one's own, whatever was voted before."""
        message = vote_signing_bytes(self.chain_id, kind, epoch, view, block)
        return Vote(
            kind=kind,
            epoch=epoch,
            view=view,
            block_hash=block,
            voter=self.host.name,
            signature=self.signer.sign(message),
        )

    def propose_instead(
        self, proposal: Proposal, *, time_ms: TimestampMs, payload: tuple[BatchHash, ...]
    ) -> Proposal:
        """The proposal with another block, well formed and signed."""
        block = proposal.block
        body = replace(block.body, payload=payload)
        header = replace(block.header, time_ms=time_ms, payload_root=payload_root(payload))
        return self.sign(proposal, Block(header=header, body=body))

    def sign(self, proposal: Proposal, block: Block) -> Proposal:
        """The proposal with this block."""
        header = block.header
        signing_bytes = proposal_signing_bytes(self.chain_id, header.epoch, header.view, block.hash)
        return replace(proposal, block=block, signature=self.signer.sign(signing_bytes))

    def halves(self) -> tuple[tuple[PeerId, ...], tuple[PeerId, ...]]:
        """All peers in two halves, the same for every conspirator; these themselves are in both."""
        index_of, members = self.host.world.index_of, self.conspiracy.members
        first = [peer for peer in self.others if index_of[peer] % 2 == 0 or index_of[peer] in members]
        second = [peer for peer in self.others if index_of[peer] % 2 == 1 or index_of[peer] in members]
        return tuple(first), tuple(second)

    def is_mine(self, message: Message) -> bool:
        """Whether a message is a proposal of this very node."""
        return isinstance(message, Proposal) and message.block.header.proposer == self.host.name


def without(effect: Send, peers: Sequence[PeerId]) -> list[Effect]:
    """A Send that leaves out these peers."""
    rest = tuple(peer for peer in effect.peers if peer not in peers)
    return [Send(rest, effect.message)] if rest else []


def only(effect: Send, peers: Sequence[PeerId]) -> list[Effect]:
    """A Send to those of these peers to whom it goes anyway."""
    rest = tuple(peer for peer in effect.peers if peer in peers)
    return [Send(rest, effect.message)] if rest else []
