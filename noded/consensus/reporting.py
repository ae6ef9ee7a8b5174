"""R18, R19: faults that this node can prove to anybody."""

from functools import partial
from types import MappingProxyType

from noded.codec.errors import Unencodable
from noded.codec.schema import encode_value
from noded.consensus.effects import Report
from noded.consensus.errors import BadEvidence, BadSignature
from noded.consensus.evidence import evidence_checks, evidence_fault
from noded.consensus.state import EpochState
from noded.consensus.tally import bitmap_mask
from noded.types.block import Block, BlockHeader
from noded.types.checks import SignatureCheck
from noded.types.evidence import (
    INVALID_PROPOSAL_BYTES_MAX,
    ConflictingProposals,
    ConflictingVotes,
    Evidence,
    InvalidProposal,
)
from noded.types.ids import PeerId, Signature, ValidatorId
from noded.types.messages import EvidenceFound, ProposalSeen
from noded.types.vote import Certificate, Vote, VoteKind

REPORTS_MAX = 8
"""Faults of one kind of one validator reported in an epoch: beyond, it has long been named, and hides nobody else."""

_EXCLUDED = MappingProxyType(
    {
        VoteKind.NOTARIZE: (VoteKind.NOTARIZE,),
        VoteKind.NULLIFY: (VoteKind.FINALIZE,),
        VoteKind.FINALIZE: (VoteKind.FINALIZE, VoteKind.NULLIFY),
    }
)
"""Kinds of votes that a vote of a kind may exclude, in one view and of one voter (R1, R3)."""

VOTES_FAULT = 0
PROPOSALS_FAULT = 1
INVALID_FAULT = 2


def on_conflict(state: EpochState, peer: PeerId, first: Vote, second: Vote) -> None:
    """Two votes of one voter that exclude each other: have both verified, then report (R1, R3)."""
    evidence = ConflictingVotes(first=first, second=second)
    if _is_named(state, evidence) or not state.checks.may_ask(peer):
        return
    assert first.conflicts_with(second)
    checks = evidence_checks(evidence, state.validators, state.facts.chain_id)
    state.checks.ask(checks, partial(_on_votes_checked, state, peer, evidence), peer)


def _on_votes_checked(
    state: EpochState, peer: PeerId, evidence: ConflictingVotes, results: tuple[bool, ...]
) -> None:
    if all(results):
        report(state, evidence)
    else:
        state.penalize(peer, BadSignature)


def compare_certificate(state: EpochState, certificate: Certificate) -> None:
    """Whose vote stands in a verified certificate, and who told this node what excludes it (R18)."""
    votes = state.votes.get(certificate.view)
    if votes is None:
        return
    mask = bitmap_mask(certificate.bitmap)
    for kind in _EXCLUDED[certificate.kind]:
        for block_hash, tally in votes.tallies[kind].items():
            if kind is certificate.kind and block_hash == certificate.block_hash:
                continue
            for index, vote in list(tally.votes.items()):
                if mask >> index & 1:
                    on_conflict(state, vote.voter, vote, _vote_in(certificate, index, vote.voter))


def compare_vote(state: EpochState, index: int, vote: Vote) -> None:
    """The same, where the certificate was there before the vote (R18)."""
    for kind in _EXCLUDED[vote.kind]:
        certificate = state.certificates.of_view(kind, vote.view)
        if (
            certificate is not None
            and not (kind is vote.kind and certificate.block_hash == vote.block_hash)
            and bitmap_mask(certificate.bitmap) >> index & 1
        ):
            on_conflict(state, vote.voter, _vote_in(certificate, index, vote.voter), vote)


def _vote_in(certificate: Certificate, index: int, voter: ValidatorId) -> Vote:
    """One of the votes of which a certificate consists."""
    position = (bitmap_mask(certificate.bitmap) & ((1 << index) - 1)).bit_count()
    return Vote(
        kind=certificate.kind,
        epoch=certificate.epoch,
        view=certificate.view,
        block_hash=certificate.block_hash,
        voter=voter,
        signature=certificate.signatures[position],
    )


def on_rivals(state: EpochState, peer: PeerId, first: ProposalSeen, second: ProposalSeen) -> None:
    """Two blocks signed for one view, the second handed in by `peer`: have both verified, then report (R1)."""
    evidence = ConflictingProposals(
        culprit=state.validators.proposer(first.view),
        epoch=first.epoch,
        view=first.view,
        first=first.block_hash,
        first_signature=first.signature,
        second=second.block_hash,
        second_signature=second.signature,
    )
    if _is_named(state, evidence) or not state.checks.may_ask(peer):
        return
    checks = evidence_checks(evidence, state.validators, state.facts.chain_id)
    state.checks.ask(checks, partial(_on_proposals_checked, state, peer, evidence), peer)


def _on_proposals_checked(
    state: EpochState, peer: PeerId, evidence: ConflictingProposals, results: tuple[bool, ...]
) -> None:
    if all(results):
        report(state, evidence)
    else:
        state.penalize(peer, BadSignature)


def report_invalid(state: EpochState, block: Block, signature: Signature, parent: BlockHeader | None) -> None:
    """A signed block is invalid by its bytes, its parent's header and the table (R19); its signature is verified."""
    try:
        encoding = encode_value(block)
        parent_header = b"" if parent is None else encode_value(parent)
    except Unencodable:
        return
    if len(encoding) > INVALID_PROPOSAL_BYTES_MAX:
        return
    header = block.header
    report(
        state,
        InvalidProposal(
            culprit=header.proposer,
            epoch=header.epoch,
            view=header.view,
            block=encoding,
            signature=signature,
            parent_header=parent_header,
        ),
    )


def report(state: EpochState, evidence: Evidence) -> None:
    """Report a proven fault once, and tell the other validators (R18)."""
    if _remember(state, evidence):
        state.out.append(Report(evidence))
        state.send(state.routes.others, EvidenceFound(evidence=evidence))


def on_evidence_found(state: EpochState, peer: PeerId, message: EvidenceFound) -> None:
    """
    Take over a fault that a peer can prove, if it is of this epoch and new.

    Raises:
        BadEvidence: It proves nothing.
    """
    evidence = message.evidence
    if evidence.epoch != state.epoch:
        return
    fault = evidence_fault(evidence, state.facts)
    if fault is not None:
        raise BadEvidence(fault)
    if _is_named(state, evidence) or not state.checks.may_ask(peer):
        return
    checks: tuple[SignatureCheck, ...] = evidence_checks(evidence, state.validators, state.facts.chain_id)
    state.checks.ask(checks, partial(_on_evidence_checked, state, peer, evidence), peer)


def _on_evidence_checked(
    state: EpochState, peer: PeerId, evidence: Evidence, results: tuple[bool, ...]
) -> None:
    if not all(results):
        state.penalize(peer, BadEvidence)
    elif _remember(state, evidence):
        state.out.append(Report(evidence))


def _remember(state: EpochState, evidence: Evidence) -> bool:
    if _is_named(state, evidence):
        return False
    state.reported.setdefault(_key_of(state, evidence), {})[evidence.view] = None
    return True


def _is_named(state: EpochState, evidence: Evidence) -> bool:
    """Whether this fault was reported, or enough of its kind and culprit were."""
    views = state.reported.get(_key_of(state, evidence), {})
    return evidence.view in views or len(views) >= REPORTS_MAX


def _key_of(state: EpochState, evidence: Evidence) -> tuple[int, int]:
    kind = (
        VOTES_FAULT
        if isinstance(evidence, ConflictingVotes)
        else PROPOSALS_FAULT
        if isinstance(evidence, ConflictingProposals)
        else INVALID_FAULT
    )
    return state.validators.index_by_id[evidence.culprit], kind
