"""R18, R19: judging evidence, by the table of its own epoch and nothing else."""

from noded.codec.errors import Malformed
from noded.codec.schema import decode_value
from noded.consensus.rules import EpochFacts, block_fault
from noded.types.block import Block, BlockHeader, header_hash
from noded.types.checks import SignatureCheck
from noded.types.evidence import (
    INVALID_PROPOSAL_BYTES_MAX,
    ConflictingProposals,
    ConflictingVotes,
    Evidence,
    InvalidProposal,
    proposal_signing_bytes,
)
from noded.types.ids import ChainId
from noded.types.validator_set import ValidatorSet

HEADER_BYTES_MAX = 1024


def evidence_fault(evidence: Evidence, facts: EpochFacts) -> str | None:
    """
    Why evidence proves nothing, whatever its signatures; None if it does once they verify.

    `facts` are of the evidence's own epoch.
    """
    validators = facts.validators
    if evidence.epoch != validators.epoch or evidence.culprit not in validators or evidence.view < 1:
        return "of no validator of the epoch"
    if isinstance(evidence, ConflictingVotes):
        if not evidence.first.conflicts_with(evidence.second):
            return "the votes may stand together"
        return None
    if validators.proposer(evidence.view) != evidence.culprit:
        return "not the proposer of the view"
    if isinstance(evidence, ConflictingProposals):
        return "the same block twice" if evidence.first == evidence.second else None
    return _invalidity_fault(evidence, facts)


def _invalidity_fault(evidence: InvalidProposal, facts: EpochFacts) -> str | None:
    try:
        block = decode_value(Block, evidence.block, max_bytes=INVALID_PROPOSAL_BYTES_MAX)
        parent = (
            decode_value(BlockHeader, evidence.parent_header, max_bytes=HEADER_BYTES_MAX)
            if evidence.parent_header
            else None
        )
    except Malformed:
        return "of bytes that are no block"
    header = block.header
    if (header.proposer, header.epoch, header.view) != (evidence.culprit, evidence.epoch, evidence.view):
        return "of another proposer or view"
    if not block.is_consistent():
        return "with a body that the proposer did not sign"
    if parent is not None and header_hash(parent) != header.parent_hash:
        return "with another parent"
    return "the block is valid" if block_fault(block, facts, parent) is None else None


def evidence_checks(
    evidence: Evidence, validators: ValidatorSet, chain_id: ChainId
) -> tuple[SignatureCheck, ...]:
    """The signatures that must verify; `evidence_fault` found nothing."""
    key = validators.public_key(evidence.culprit)
    if isinstance(evidence, ConflictingVotes):
        return tuple(
            SignatureCheck(key, vote.signing_bytes(chain_id), vote.signature)
            for vote in (evidence.first, evidence.second)
        )
    epoch, view = evidence.epoch, evidence.view
    if isinstance(evidence, ConflictingProposals):
        signed = [
            (evidence.first, evidence.first_signature),
            (evidence.second, evidence.second_signature),
        ]
    else:
        block = decode_value(Block, evidence.block, max_bytes=INVALID_PROPOSAL_BYTES_MAX)
        signed = [(block.hash, evidence.signature)]
    return tuple(
        SignatureCheck(key, proposal_signing_bytes(chain_id, epoch, view, name), signature)
        for name, signature in signed
    )
