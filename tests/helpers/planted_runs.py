"""A run with a planted fault, for checkers to find."""

from dataclasses import replace
from typing import Any

from noded.ledger.commit import CommittedBlock
from noded.types.ids import Bitmap, BlockHash, Signature, View
from noded.types.messages import Message
from noded.types.vote import Certificate, Vote, VoteKind
from sim.run import Options, Run
from tests.helpers.simulation import small

OTHER = BlockHash(b"\x01" * 32)


class Planted:
    """A run that has passed, whose checkers are then told of what should not be."""

    def __init__(self, **overrides: Any) -> None:
        self.run = Run(small(**overrides), Options(keep_going=True))
        self.result = self.run.go(lambda progress: None)
        assert self.result.violations == ()
        self.cluster = self.run.cluster
        self.host = self.cluster.hosts[0]
        self.observers = self.cluster.world.observers

    def failed(self) -> list[str]:
        """Names of the checkers that failed since."""
        return sorted({violation.checker for violation in self.run._violations})

    def last_block(self, host: int = 0) -> CommittedBlock:
        """The last block that a node has."""
        archive = self.cluster.hosts[host].archive
        return archive.block(archive.height)

    def send(self, message: Message, host: int = 0) -> None:
        """A host sends this to node 1."""
        sender = self.cluster.hosts[host]
        parcel = self.cluster.world.parcel(host, message)
        sender.send((self.cluster.world.names[1 if host != 1 else 2],), parcel)

    def vote(self, kind: VoteKind, view: int, block: BlockHash | None, host: int = 0) -> Vote:
        """A signed vote of a node in its present epoch."""
        node = self.cluster.hosts[host].node
        vote = Vote(
            kind=kind,
            epoch=node.core.epoch,
            view=View(view),
            block_hash=block,
            voter=node.me,
            signature=Signature(b""),
        )
        signature = self.cluster.signer(host).sign(vote.signing_bytes(self.cluster.chain_id))
        return replace(vote, signature=signature)

    def certificate(
        self, kind: VoteKind, view: int, block: BlockHash | None, voters: tuple[int, ...]
    ) -> Certificate:
        """A certificate of these nodes' votes."""
        votes = [self.vote(kind, view, block, voter) for voter in voters]
        bits = sum(1 << voter for voter in voters)
        return Certificate(
            kind=kind,
            epoch=votes[0].epoch,
            view=View(view),
            block_hash=block,
            bitmap=Bitmap(bytes((bits,))),
            signatures=tuple(vote.signature for vote in votes),
        )
