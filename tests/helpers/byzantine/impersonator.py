"""Hands in votes and proposals in the name of others, with signatures that are none."""

from dataclasses import replace

from noded.types.ids import ValidatorId
from noded.types.messages import Message, Proposal, Votes
from noded.types.vote import VoteKind
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import bad_signature, make_certificate, make_proposal


class Impersonator:
    def sends(
        self, net: Net, host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        out: list[tuple[tuple[ValidatorId, ...], Message]] = [(peers, message)]
        if isinstance(message, Votes) and message.votes:
            victim = peers[0]
            vote = message.votes[-1]
            stolen = replace(vote, voter=victim, signature=bad_signature())
            forged = replace(vote, signature=bad_signature())
            table = net.table(vote.epoch)
            certificate = make_certificate(
                table, VoteKind.NULLIFY, view=vote.view, forged=tuple(range(len(table)))
            )
            out.append((peers, Votes(votes=(stolen,), certificates=())))
            out.insert(0, (peers, Votes(votes=(forged,), certificates=())))
            out.append((peers, Votes(votes=(), certificates=(certificate,))))
        elif isinstance(message, Proposal):
            header = replace(message.block.header, proposer=peers[0])
            out.append((peers, make_proposal(replace(message.block, header=header))))
        return out
