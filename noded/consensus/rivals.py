"""
R18: a proposer shows some one block, others another, and nobody both.

Each side has one signature of the two that prove it. Whoever learns of the other block by a vote tells the voter,
and by a notarization tells all; who was shown another block then has both. A vote earns one answer, smaller than it.
"""

from noded.consensus.reporting import on_rivals
from noded.consensus.state import EpochState
from noded.types.ids import PeerId
from noded.types.messages import Proposal, ProposalSeen
from noded.types.vote import Certificate, Vote, VoteKind


def on_rival_proposal(state: EpochState, peer: PeerId, first: Proposal, second: Proposal) -> None:
    """A proposer shows this node two blocks for one view."""
    on_rivals(state, peer, _seen_of(first), _seen_of(second))


def _seen_of(proposal: Proposal) -> ProposalSeen:
    """What a proposal's signature says."""
    header = proposal.block.header
    return ProposalSeen(
        epoch=header.epoch,
        view=header.view,
        block_hash=proposal.block.hash,
        signature=proposal.signature,
    )


def on_signature_verified(state: EpochState, proposal: Proposal) -> None:
    """Remember what the proposer signed, and tell those who were for another block before."""
    seen = state.seen[proposal.block.header.view] = _seen_of(proposal)
    votes = state.votes.get(seen.view)
    if votes is not None:
        for block_hash, tally in list(votes.tallies[VoteKind.NOTARIZE].items()):
            if block_hash != seen.block_hash:
                for vote in tally.votes.values():
                    _answer(state, vote, seen)
    notarized = state.certificates.notarized.get(seen.view)
    if notarized is not None:
        compare_notarized(state, notarized)


def compare_notarize_vote(state: EpochState, vote: Vote) -> None:
    """A new N vote: whether its voter was shown another block than this node."""
    seen = state.seen.get(vote.view)
    if seen is not None and seen.block_hash != vote.block_hash:
        _answer(state, vote, seen)


def _answer(state: EpochState, vote: Vote, seen: ProposalSeen) -> None:
    if vote.voter not in (state.me, state.validators.proposer(vote.view)):
        state.send((vote.voter,), seen)


def compare_notarized(state: EpochState, certificate: Certificate) -> None:
    """A verified notarization: whether a quorum was shown another block than this node."""
    seen = state.seen.get(certificate.view)
    if seen is not None and seen.block_hash != certificate.block_hash:
        state.send(state.routes.others, seen)


def on_proposal_seen(state: EpochState, peer: PeerId, message: ProposalSeen) -> None:
    """Compare what a peer was shown with what this node was."""
    seen = state.seen.get(message.view)
    if seen is not None and seen.block_hash != message.block_hash:
        on_rivals(state, peer, seen, message)
