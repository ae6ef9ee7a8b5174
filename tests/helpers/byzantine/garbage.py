"""Sends messages that are well formed and make no sense."""

from noded.types.evidence import ConflictingProposals, ConflictingVotes, InvalidProposal
from noded.types.ids import Bitmap, BlockHash, Epoch, Signature, ValidatorId, View
from noded.types.messages import (
    BlockFound,
    Certificates,
    EpochEntry,
    EvidenceFound,
    GetBlock,
    GetCertificates,
    Message,
    Proposal,
    ProposalSeen,
    Votes,
)
from noded.types.vote import Certificate, Vote, VoteKind
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import make_block, make_proposal


class Garbage:
    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        return [(peers, message), (peers, self._garbage(net, host))]

    def _garbage(self, net: Net, host: Host) -> Message:
        random = net.random
        kind = random.choice(list(VoteKind))
        now = host.core.epoch
        epoch = Epoch(random.choice([0, now - 1, now, now, now, now + 1, 2**40]))
        view = View(random.choice([0, 1, host.core.view, host.core.view + 1, 2**60]))
        table = net.table(now)
        block_hash = random.choice([None, BlockHash(random.randbytes(32)), host.core.final_hash])
        vote = Vote(
            kind=kind,
            epoch=epoch,
            view=view,
            block_hash=block_hash,
            voter=random.choice(table.ids()),
            signature=Signature(random.randbytes(64)),
        )
        certificate = Certificate(
            kind=kind,
            epoch=epoch,
            view=view,
            block_hash=block_hash,
            bitmap=Bitmap(random.randbytes(random.choice([0, 1, 1, 2, 512]))),
            signatures=(vote.signature,) * random.choice([1, len(table) - 1, len(table)]),
        )
        block = make_block(
            table,
            view=view + 1,
            parent=net.genesis,
            parent_view=random.choice([0, 1, 7]),
            epoch=epoch,
            proposer=host.name,
        )
        choices: list[Message] = [
            Votes(votes=(vote,), certificates=(certificate,)),
            Votes(votes=(), certificates=()),
            Certificates(certificates=(certificate, certificate)),
            GetCertificates(kind=kind, epoch=epoch, first=view, last=View(2**62)),
            GetCertificates(kind=kind, epoch=epoch, first=View(2**62), last=view),
            GetBlock(hash=BlockHash(random.randbytes(32))),
            BlockFound(block=block),
            make_proposal(block),
            make_proposal(block, parent=certificate, nullifications=(certificate,) * 3),
            EvidenceFound(evidence=ConflictingVotes(first=vote, second=vote)),
            EvidenceFound(
                evidence=InvalidProposal(
                    culprit=host.name,
                    epoch=epoch,
                    view=view,
                    block=random.randbytes(40),
                    signature=vote.signature,
                    parent_header=b"",
                )
            ),
            EvidenceFound(
                evidence=ConflictingProposals(
                    culprit=random.choice(table.ids()),
                    epoch=epoch,
                    view=view,
                    first=block.hash,
                    first_signature=vote.signature,
                    second=block.header.parent_hash,
                    second_signature=vote.signature,
                )
            ),
            ProposalSeen(epoch=epoch, view=view, block_hash=block.hash, signature=vote.signature),
            EpochEntry(
                terminal=block.header,
                seals=(block.header,) * random.choice([0, 2]),
                finalization=certificate,
                table=table.table,
            ),
        ]
        chosen = random.choice(choices)
        assert not isinstance(chosen, Proposal) or chosen.block is block
        return chosen
