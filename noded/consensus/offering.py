"""R2: proposals come in. Everything that can be judged at once is, before anything of it is believed."""

from dataclasses import dataclass
from functools import partial

from noded.consensus.certificates import is_well_formed
from noded.consensus.counting import certificate_check, is_news, take_certificate
from noded.consensus.effects import Check, CreditsCheck
from noded.consensus.errors import BadCertificate, BadProposal, BadSignature, InvalidBlock, NotTheProposer
from noded.consensus.reporting import report_invalid
from noded.consensus.rivals import on_rival_proposal, on_signature_verified
from noded.consensus.rules import EpochFacts, block_fault, enclosure_fault
from noded.consensus.state import AHEAD_VIEWS, EpochState, Offer
from noded.types.checks import SignatureCheck
from noded.types.evidence import proposal_signing_bytes
from noded.types.ids import BlockHash, PeerId
from noded.types.messages import Proposal
from noded.types.vote import Certificate

JUDGED_MAX = 256
"""Proposals whose bytes were judged; nodes hear one within a second or two of each other."""


def on_proposal(state: EpochState, peer: PeerId, proposal: Proposal) -> None:
    """
    Take a proposal of this epoch from its proposer, and have its signatures judged.

    Raises:
        NotTheProposer, BadProposal, BadCertificate: The peer broke R1, R2 or R14.
    """
    block = proposal.block
    header = block.header
    view = header.view
    if header.proposer != peer or state.validators.proposer(view) != peer or view < 1:
        raise NotTheProposer(f"view {view} is not {peer.hex()}'s")
    if view <= state.final_view:
        return
    known = state.offers.get(view)
    if known is not None:
        if known.proposal.block.hash != block.hash:
            on_rival_proposal(state, peer, known.proposal, proposal)
        return
    if not state.checks.may_ask(peer):
        return
    bytes_say = judge_bytes(proposal, state.facts)
    if bytes_say.is_unenclosed is not None:
        raise BadProposal(bytes_say.is_unenclosed)
    news = _enclosed_news(state, proposal)
    if view - state.view > AHEAD_VIEWS and view - 1 not in [certificate.view for certificate in news]:
        return
    for certificate in news:
        if not is_well_formed(certificate, state.validators):
            raise BadCertificate(f"{certificate.kind.name} of view {certificate.view} states no quorum")
    checks = bytes_say.checks + tuple([certificate_check(state, certificate) for certificate in news])
    offer = state.offers[view] = Offer(proposal)
    state.checks.ask(
        checks, partial(_on_proposal_checked, state, peer, offer, news, len(bytes_say.checks)), peer
    )


@dataclass(frozen=True, slots=True, eq=False)
class _BytesSay:
    """What a proposal's own bytes say about it; the same for every node of the epoch."""

    proposal: Proposal
    facts: EpochFacts
    is_unenclosed: str | None
    """Why it does not carry what its block names (R2)."""
    fault: str | None
    """Why its block is invalid whatever its parent is (R2, R19)."""
    checks: tuple[Check, ...]
    """Of the proposer's signature, then of the credits'."""


_judged: dict[BlockHash, _BytesSay] = {}


def judge_bytes(proposal: Proposal, facts: EpochFacts) -> _BytesSay:
    """What the bytes of a proposal say; kept, so hundreds of simulated nodes that share one read it once."""
    block = proposal.block
    known = _judged.get(block.hash)
    if known is not None and known.proposal is proposal and known.facts.are_those_of(facts):
        return known
    fault = None
    checks: list[Check] = []
    unenclosed = enclosure_fault(proposal) if block.is_consistent() else "with another body"
    if unenclosed is None:
        header = block.header
        fault = block_fault(block, facts, None)
        message = proposal_signing_bytes(facts.chain_id, header.epoch, header.view, block.hash)
        key = facts.validators.public_key(header.proposer)
        checks.append(SignatureCheck(key, message, proposal.signature))
        if fault is None and block.body.credits:
            checks.append(CreditsCheck(facts.chain_id, block, facts.validators))
    said = _BytesSay(proposal, facts, unenclosed, fault, tuple(checks))
    if len(_judged) >= JUDGED_MAX:
        _judged.clear()
    _judged[block.hash] = said
    return said


def _enclosed_news(state: EpochState, proposal: Proposal) -> list[Certificate]:
    """
    The enclosed certificates that are not known to be good; what brings the node furthest comes first.

    The block commits to its parent's and the skipped views' certificates, so another one that says the same does
    not do: a made-up bitmap would rob voters of their participation (R17).
    """
    certificates = state.certificates
    news = []
    finalization = proposal.finalization
    if finalization is not None and is_news(state, finalization):
        news.append(finalization)
    for certificate in proposal.nullifications:
        if not _is_same(certificates.nullified.get(certificate.view), certificate):
            news.append(certificate)
    parent = proposal.parent
    if parent is not None and not (
        _is_same(certificates.notarized.get(parent.view), parent)
        or _is_same(certificates.finalized, parent)
        or _is_same(finalization, parent)
    ):
        news.append(parent)
    return news


def _is_same(known: Certificate | None, certificate: Certificate) -> bool:
    """Whether a certificate is the very one that is known."""
    return known is certificate or (
        known is not None and known.view == certificate.view and known == certificate
    )


def _on_proposal_checked(
    state: EpochState,
    peer: PeerId,
    offer: Offer,
    news: list[Certificate],
    first_certificate: int,
    results: tuple[bool, ...],
) -> None:
    proposal = offer.proposal
    block = proposal.block
    view = block.header.view
    if not all(results):
        if not results[0]:
            state.offers.pop(view, None)
            state.penalize(peer, BadSignature)
            return
        if not all(results[first_certificate:]):
            state.offers.pop(view, None)
            state.penalize(peer, BadCertificate)
            return
    state.pace.heard(1 << state.validators.index_by_id[peer])
    on_signature_verified(state, proposal)
    for certificate in news:
        take_certificate(state, certificate)
    if view > state.offered_view:
        state.offered_view = view
    state.is_dirty = True
    if view <= state.final_view:
        return
    fault = judge_bytes(proposal, state.facts).fault
    if fault is not None or not all(results):
        offer.is_refused = True
        state.penalize(peer, InvalidBlock)
        if fault is not None:
            report_invalid(state, block, proposal.signature, None)
        return
    offer.entry = state.tree.insert(block)
