"""Messages come in: each goes to the epoch that it is about, and to the rule that it is for."""

from noded.consensus.counting import on_certificate, on_votes
from noded.consensus.crossing import epoch_of, on_epoch_entry, on_later_epoch
from noded.consensus.errors import MalformedVote
from noded.consensus.fetching import certificates_came, on_block_found
from noded.consensus.offering import on_proposal
from noded.consensus.relaying import inform, on_get_block, on_get_certificates
from noded.consensus.reporting import on_evidence_found
from noded.consensus.rivals import on_proposal_seen
from noded.consensus.state import EpochState
from noded.types.ids import Epoch, PeerId
from noded.types.messages import (
    BlockFound,
    Certificates,
    ConsensusMessage,
    EpochEntry,
    EvidenceFound,
    GetBlock,
    GetCertificates,
    Proposal,
    ProposalSeen,
    Votes,
)
from noded.types.vote import VoteKind

LAG_VIEWS = 2
"""Views by which an N vote may lag without its voter being told: votes come late to a collector that is fast."""


def on_message(state: EpochState, peer: PeerId, message: ConsensusMessage) -> None:
    """
    Handle a peer's message of whatever epoch.

    Raises:
        InvalidMessage: The peer broke the protocol; what the message said up to there may count.
    """
    if type(message) is GetBlock:
        on_get_block(state, peer, message)
        return
    epoch = epoch_of(message)
    if epoch is not None and epoch != state.epoch:
        _on_other_epoch(state, peer, message, epoch)
        return
    if state.is_ended:
        return
    if type(message) is Votes:
        on_votes(state, peer, message)
        if message.votes and message.votes[-1].view < state.view:
            _on_old_votes(state, peer, message)
    elif type(message) is Proposal:
        on_proposal(state, peer, message)
    elif type(message) is Certificates:
        for certificate in message.certificates:
            if certificate.epoch != epoch:
                raise MalformedVote("certificates of two epochs")
            on_certificate(state, peer, certificate)
        certificates_came(state)
    elif type(message) is GetCertificates:
        on_get_certificates(state, peer, message)
    elif type(message) is BlockFound:
        on_block_found(state, peer, message)
    elif type(message) is EvidenceFound:
        on_evidence_found(state, peer, message)
    elif type(message) is ProposalSeen:
        on_proposal_seen(state, peer, message)
    elif type(message) is EpochEntry:
        on_epoch_entry(state, peer, message)


def _on_old_votes(state: EpochState, peer: PeerId, message: Votes) -> None:
    """R20: a peer that gives up a view which is over, or votes far behind, does not know better."""
    for vote in message.votes:
        if vote.kind is VoteKind.NULLIFY and vote.view < state.view:
            inform(state, peer)
            return
    if max(vote.view for vote in message.votes) < state.view - LAG_VIEWS:
        inform(state, peer)


def _on_other_epoch(state: EpochState, peer: PeerId, message: ConsensusMessage, epoch: Epoch) -> None:
    """R16, R20: what is early is kept, and who is late is told."""
    if epoch > state.epoch:
        if epoch == state.epoch + 1:
            state.next_epoch.keep(peer, message)
        on_later_epoch(state, peer, epoch)
        return
    if epoch == state.epoch - 1 and state.entry is not None and type(message) is not EvidenceFound:
        told_ms = state.informed_ms.get(peer)
        if told_ms is None or state.now_ms - told_ms >= state.params.delta_ms // 2:
            state.informed_ms[peer] = state.now_ms
            state.send((peer,), state.entry)
